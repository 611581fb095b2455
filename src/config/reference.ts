// docs/configuration.md from the table of options; scripts/generate-docs.ts writes it.

import { exampleConfig } from './example.ts'
import { type OptionDoc, optionDocs } from './options.ts'

/** The whole page, in Markdown. */
export function configReference(): string {
  return [
    '<!-- Generated from src/config/options.ts by scripts/generate-docs.ts. Do not edit. -->',
    '',
    '# Configuration',
    '',
    ...introduction(),
    '## Example',
    '',
    '```yaml',
    exampleConfig.trimEnd(),
    '```',
    '',
    ...Object.entries<OptionDoc>(optionDocs).flatMap(([path, row]) => rowText(path, row)),
    ...closing(),
  ].join('\n')
}

function introduction(): string[] {
  return [
    'One YAML file (YAML 1.2, UTF-8). Which one, in this order:',
    '',
    '1. `--config FILE`',
    '2. the environment variable `BTRVAULT_CONFIG`',
    '3. `/etc/btrvault/config.yaml` for root; `$XDG_CONFIG_HOME/btrvault/config.yaml` (by default',
    '   `~/.config/btrvault/config.yaml`) for everybody else',
    '',
    'The file is read strictly. An unknown option, a name twice, a relative path, a reference to a remote',
    'that is not there, a size without a sense: each is refused before anything is done, all of them at',
    'once, each as `file:line:column: what is wrong; write what instead`. `btrvault config check` does only that.',
    '',
    '`btrvault config schema` prints a JSON Schema. Editors with a YAML language server use it when the file',
    'begins with `# yaml-language-server: $schema=/path/to/btrvault.schema.json`.',
    '',
    'No secret belongs into this file, and those that are recognised are refused. The signing key is a file of its own,',
    'the identity that decrypts is on another machine, and credentials come from a file, a profile, or the environment.',
    '',
    '**Sizes** are written `64MiB` (binary; also `64M`) or `64MB` (decimal), **rates** `10MiB/s`, **durations** `90s`, `15min`, `2h`, `1d`.',
    'In the names below, `*` stands for a name of your choice: letters, digits, `_`, `-` and `.`, with a letter or digit first, at most 64.',
    '',
  ]
}

function rowText(path: string, row: OptionDoc): string[] {
  const isSection = row.type === 'section'
  const facts = isSection ? [] : [`Type: ${row.type}.`]
  if (row.default === undefined) facts.push(isSection ? '' : 'Optional.')
  else if (row.default.startsWith('required')) facts.push(`${capitalised(row.default)}.`)
  else facts.push(`Default: ${row.default}.`)
  const line = facts.filter(fact => fact !== '').join(' ')
  return [
    `${'#'.repeat(path.includes('.') ? 3 : 2)} \`${path}\``,
    '',
    ...(line === '' ? [] : [line, '']),
    row.doc,
    '',
  ]
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function closing(): string[] {
  return [
    '## Not in this version',
    '',
    'Remotes of the kinds `swift` and `btrfs`, and `spool` are recognised and refused.',
    '',
  ]
}
