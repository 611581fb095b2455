// docs/cli.md from the table of verbs; scripts/generate-docs.ts writes it.

import { exitMeanings } from './exits.ts'
import { exitsOf } from './help.ts'
import type { Verb } from './verb.ts'
import { verbs } from './verbs.ts'

/** The whole page, in Markdown. */
export function cliReference(): string {
  return [
    '<!-- Generated from src/cli/verbs/ by scripts/generate-docs.ts. Do not edit. -->',
    '',
    '# Command line',
    '',
    'Every command explains itself: `btrvault COMMAND --help`. Results go to standard output, news on the way',
    'and errors to standard error.',
    '',
    '## For all commands',
    '',
    '| flag | does |',
    '|---|---|',
    '| `--config FILE` | use this configuration; see [configuration.md](configuration.md) for where it is looked for |',
    '| `--json` | print one JSON document on standard output, also when the command fails |',
    '| `--progress auto\\|lines\\|json\\|none` | how to show what goes on, on standard error. `auto`: bars on a terminal, else a line now and then, with levels for the journal under systemd. `json`: as in [reports.md](reports.md#progress) |',
    '| `-q`, `--quiet` | print only warnings and errors |',
    '| `-v`, `--verbose` | print more |',
    '| `--no-color` | no colour; `NO_COLOR` in the environment does the same |',
    '| `-n`, `--dry-run` | say what would be done, and do nothing (commands that change something) |',
    '',
    '`--json` prints `{"command", "ok", "exit", "report"}`, or, when there is no report, `{"command", "ok": false,',
    '"exit", "error": {"code", "message", "hint", "exit"}}`. Times are ISO 8601 in UTC, sizes are bytes.',
    '',
    '## Exit statuses',
    '',
    '| status | means |',
    '|---|---|',
    ...Object.entries(exitMeanings).map(([status, meaning]) => `| ${status} | ${meaning} |`),
    '',
    ...verbs.flatMap(verb => verbText(verb, '')),
  ].join('\n')
}

function verbText(verb: Verb, above: string): string[] {
  const name = above === '' ? verb.name : `${above} ${verb.name}`
  const words = (verb.arguments ?? []).map(({ name: word, required }) =>
    required ? `<${word}>` : `[${word}]`,
  )
  const lines = [`## btrvault ${[name, ...words].join(' ')}`, '', verb.description, '']
  const flags = (verb.flags ?? []).map(flag => [flag.flags, flag.doc + defaultOf(flag)] as const)
  const rows = [
    ...(verb.arguments ?? []).map(({ name: word, doc }) => [word, doc] as const),
    ...flags,
    ...(verb.mutates ? [['-n, --dry-run', 'say what would be done, and do nothing'] as const] : []),
  ]
  if (rows.length > 0) {
    lines.push('| | |', '|---|---|')
    lines.push(...rows.map(([term, doc]) => `| \`${term}\` | ${doc.replaceAll('|', '\\|')} |`), '')
  }
  if (verb.examples.length > 0) {
    lines.push(
      '```sh',
      ...verb.examples.flatMap(({ line, does }) => [`# ${does}`, line]),
      '```',
      '',
    )
  }
  if (!verb.verbs) lines.push(`Exit statuses: ${exitsOf(verb).join(', ')}.`, '')
  return [...lines, ...(verb.verbs ?? []).flatMap(inner => verbText(inner, name))]
}

function defaultOf(flag: NonNullable<Verb['flags']>[number]): string {
  const choices = flag.choices ? ` (${flag.choices.join(', ')})` : ''
  return flag.defaultText === undefined ? choices : `${choices} (default: ${flag.defaultText})`
}
