// How --help looks: calm titles, examples one can copy, and what the exit statuses mean.

import type { Command, Option } from 'commander'
import type { Paint } from './colour.ts'
import { type ExitStatus, exitMeanings } from './exits.ts'
import type { Verb } from './verb.ts'
import { padStart } from './width.ts'

/** Every verb may end with these. */
const always: readonly ExitStatus[] = [0, 1, 2, 70, 130]

export function styleHelp(
  command: Command,
  { paint, width }: { paint: Paint; width: number },
): void {
  command.configureHelp({
    helpWidth: Math.max(40, Math.min(width, 100)),
    showGlobalOptions: true,
    styleTitle: text => paint('strong', text),
    styleCommandText: text => paint('accent', text),
    styleSubcommandText: text => paint('accent', text),
    styleOptionText: text => paint('accent', text),
    styleArgumentText: text => paint('accent', text),
    optionDescription,
    subcommandTerm: inner => inner.name(),
    subcommandDescription: inner => inner.summary() || inner.description(),
  })
}

/** Choices and default as a person would say them. */
function optionDescription({ description, argChoices, defaultValueDescription }: Option): string {
  const facts = [
    ...(argChoices ? [argChoices.join(', ')] : []),
    ...(defaultValueDescription === undefined ? [] : [`default: ${defaultValueDescription}`]),
  ]
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`
}

export function examplesText(verb: Verb, paint: Paint): string {
  if (verb.examples.length === 0) return ''
  const lines = verb.examples.map(({ line, does }) => `  ${paint('quiet', `# ${does}`)}\n  ${line}`)
  return `\n${paint('strong', 'Examples:')}\n${lines.join('\n')}\n`
}

export function exitsText(verb: Verb, paint: Paint): string {
  if (verb.verbs) return ''
  const lines = exitsOf(verb).map(
    status => `  ${padStart(String(status), 3)}  ${exitMeanings[status]}`,
  )
  return `\n${paint('strong', 'Exit statuses:')}\n${lines.join('\n')}`
}

export function exitsOf(verb: Verb): ExitStatus[] {
  return [...new Set([...always, ...verb.exits])].sort((a, b) => a - b)
}
