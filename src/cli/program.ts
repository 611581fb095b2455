// The command line → which verb with what, or a text to print (help, version). Commander reads it;
// what it complains of becomes a Failure like any other.

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { Failure, isFailure } from '../base/failure.ts'
import { didYouMean } from '../config/nearest.ts'
import type { Paint } from './colour.ts'
import { examplesText, exitsText, styleHelp } from './help.ts'
import type { Flag, Verb } from './verb.ts'

export type Request =
  | { readonly kind: 'run'; readonly invocation: Invocation }
  | { readonly kind: 'print'; readonly text: string }
  /** Nothing was asked for: help, as an error. */
  | { readonly kind: 'lost'; readonly text: string }

export interface Invocation {
  readonly verb: Verb
  /** `backup`, `config check`. */
  readonly name: string
  readonly arguments: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
}

export interface ProgramFacts {
  readonly verbs: readonly Verb[]
  readonly version: string
  readonly paint: Paint
  /** Columns for help. */
  readonly width: number
}

/** `argv` without Node and the script. Throws Failure 'usage'. */
export function parseArguments(argv: readonly string[], facts: ProgramFacts): Request {
  let printed = ''
  let invocation: Invocation | undefined
  const program = makeProgram(facts, {
    print: text => {
      printed += text
    },
    invoke: given => {
      invocation = given
    },
  })
  try {
    program.parse(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'print', text: printed }
    // Commander's word for "no verb given".
    if (error.code === 'commander.help') return { kind: 'lost', text: printed }
    throw usageFailure(error, argv, facts.verbs)
  }
  if (!invocation) throw new Error('commander called no verb')
  return { kind: 'run', invocation }
}

interface ProgramSinks {
  readonly print: (text: string) => void
  readonly invoke: (invocation: Invocation) => void
}

/** The commander program of all verbs; nothing runs, and nothing exits. */
export function makeProgram(facts: ProgramFacts, { print, invoke }: ProgramSinks): Command {
  const program = new Command('btrvault')
    .description(
      'Back up btrfs subvolumes, encrypted and signed, to object storage, and get them back.',
    )
    .version(facts.version, '--version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand('help [command]', 'explain a command')
    .exitOverride()
    .configureOutput({
      writeOut: print,
      // Help for the lost goes the same way as all help; complaints are thrown.
      writeErr: text => {
        if (!text.startsWith('error:')) print(text)
      },
      outputError: () => {},
      // What is already in it has been coloured here or not at all.
      stripColor: text => text,
      getOutHasColors: () => true,
      getErrHasColors: () => true,
    })
  styleHelp(program, facts)
  for (const option of globalOptions()) program.addOption(option)
  program.addHelpText(
    'after',
    () =>
      `\n${facts.paint('quiet', 'btrvault COMMAND --help explains a command, with examples and exit statuses.')}`,
  )
  for (const verb of facts.verbs)
    program.addCommand(makeCommand({ verb, path: [], facts, invoke, parent: program }))
  return program
}

function globalOptions(): Option[] {
  return [
    new Option('--config <file>', 'configuration (default: /etc/btrvault/config.yaml for root)'),
    new Option('--json', 'print one JSON document on standard output'),
    new Option('--progress <how>', 'how to show what goes on')
      .default(undefined, 'auto')
      .choices(['auto', 'lines', 'json', 'none'])
      .argParser(choiceParser(['auto', 'lines', 'json', 'none'])),
    new Option('-q, --quiet', 'print only warnings and errors'),
    new Option('-v, --verbose', 'print more'),
    new Option('--no-color', 'print without colour'),
  ]
}

interface CommandTask {
  readonly verb: Verb
  readonly path: readonly string[]
  readonly facts: ProgramFacts
  readonly invoke: (invocation: Invocation) => void
  readonly parent: Command
}

function makeCommand({ verb, path, facts, invoke, parent }: CommandTask): Command {
  const names = [...path, verb.name]
  const command = new Command(verb.name)
    .copyInheritedSettings(parent)
    .summary(verb.summary)
    .description(verb.description)
    .helpOption('-h, --help', 'explain this command')
  styleHelp(command, facts)
  for (const { name, doc, required } of verb.arguments ?? []) {
    command.addArgument(new Argument(required ? `<${name}>` : `[${name}]`, doc))
  }
  for (const flag of verb.flags ?? []) command.addOption(makeOption(flag))
  if (verb.mutates) command.option('-n, --dry-run', 'say what would be done, and do nothing')
  command.addHelpText(
    'after',
    () => `${examplesText(verb, facts.paint)}${exitsText(verb, facts.paint)}`,
  )
  for (const inner of verb.verbs ?? []) {
    command.addCommand(makeCommand({ verb: inner, path: names, facts, invoke, parent: command }))
  }
  if (!verb.run) return command.helpCommand(false)
  return command.action(() => {
    invoke({
      verb,
      name: names.join(' '),
      arguments: command.args,
      options: command.optsWithGlobals(),
    })
  })
}

function makeOption(flag: Flag): Option {
  const option = new Option(flag.flags, flag.doc)
  if (flag.defaultText !== undefined) option.default(undefined, flag.defaultText)
  if (flag.choices) option.choices(flag.choices).argParser(choiceParser(flag.choices))
  if (flag.parse) option.argParser(valueParser(flag.parse, flag.wants ?? 'another value'))
  if (flag.repeats) {
    const parseOne = option.parseArg
    option.argParser((text: string, before: unknown) => [
      ...(Array.isArray(before) ? before : []),
      parseOne ? parseOne(text, undefined) : text,
    ])
  }
  return option
}

function choiceParser(choices: readonly string[]): (text: string) => string {
  return text => {
    if (choices.includes(text)) return text
    const all = `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
    throw new InvalidArgumentError(`it is not ${all}${didYouMean(text, choices)}`)
  }
}

function valueParser(parse: (text: string) => unknown, wants: string): (text: string) => unknown {
  return text => {
    let value: unknown
    try {
      value = parse(text)
    } catch (error) {
      if (isFailure(error)) throw new InvalidArgumentError(error.message)
      throw error
    }
    if (value === undefined) throw new InvalidArgumentError(`it is not ${wants}`)
    return value
  }
}

function usageFailure(
  error: CommanderError,
  argv: readonly string[],
  verbs: readonly Verb[],
): Failure {
  const text = error.message
    .replace(/^error: /, '')
    .replaceAll(/\n\(Did you mean (.*?)\?\)/g, ' (did you mean $1?)')
    .replace(/ is invalid\. (it is not)/, ': $1')
    .replace(/\. (Expected|Allowed)/, ': $1')
    .replace(/\.$/, '')
  const verb = verbs.find(one => argv.includes(one.name))
  const asked = verb ? `btrvault ${verb.name} --help` : 'btrvault --help'
  return new Failure('usage', `cannot read the command line: ${text}`, {
    hint: `${asked} lists what there is, with examples`,
    cause: error,
  })
}
