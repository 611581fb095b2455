// btrvault config: check the configuration, and what helps to write one.

import { plural } from '../../base/units.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'
import { escapeControls } from '../escape.ts'
import { formatTable } from '../table.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'

export const configVerb: Verb = {
  name: 'config',
  summary: 'check the configuration, or print an example or its schema',
  description: 'Check the configuration, and print what helps to write one.',
  examples: [
    { does: 'is everything in order?', line: 'btrvault config check' },
    { does: 'begin with the example', line: 'btrvault config example > /etc/btrvault/config.yaml' },
  ],
  exits: [],
  verbs: [
    {
      name: 'check',
      summary: 'read the configuration and say everything that is wrong with it',
      description:
        'Read the configuration and say everything that is wrong with it at once, each problem as file:line:column with what to write instead. Touches neither btrfs nor any remote: `btrvault doctor` does.',
      examples: [
        { does: 'check the file that btrvault would use', line: 'btrvault config check' },
        { does: 'check another one', line: 'btrvault config check --config new.yaml' },
      ],
      exits: [],
      run: check,
    },
    {
      name: 'schema',
      summary: 'print the JSON Schema of the configuration, for editors',
      description:
        'Print the JSON Schema of the configuration. Editors with a YAML language server complete, explain and check the file as you type when it begins with: # yaml-language-server: $schema=FILE',
      examples: [
        {
          does: 'keep it beside the configuration',
          line: 'btrvault config schema > btrvault.schema.json',
        },
      ],
      exits: [],
      run: schema,
    },
    {
      name: 'example',
      summary: 'print a configuration to start from',
      description: 'Print a configuration to start from, with comments.',
      examples: [{ does: 'begin with it', line: 'btrvault config example > config.yaml' }],
      exits: [],
      run: example,
    },
  ],
}

async function check(call: Call): Promise<Outcome> {
  const config = await call.config()
  return {
    report: {
      file: config.file,
      timezone: config.timezone,
      state: config.state,
      sources: config.sources,
      remotes: config.remotes,
      warnings: config.warnings,
    },
    lines: view => checkLines(config, view),
  }
}

function checkLines(config: Config, { paint, width }: View): string[] {
  const { sources, remotes } = config
  const options = { paint, width: width - 2 }
  const sourceRows = sources.map(source => [
    source.name,
    source.path,
    source.remotes.map(({ remote }) => remote).join(', '),
  ])
  const remoteRows = remotes.map(remote => [
    remote.name,
    placeOf(remote),
    remote.encrypt === 'none'
      ? ({ text: 'plaintext', tone: 'warning' } as const)
      : ({ text: 'encrypted', tone: 'good' } as const),
  ])
  const sourceTable = formatTable(
    [{ heading: 'source' }, { heading: 'path', shrinks: true }, { heading: 'to' }],
    sourceRows,
    options,
  )
  const remoteTable = formatTable(
    [{ heading: 'remote' }, { heading: 'place', shrinks: true }, { heading: '' }],
    remoteRows,
    options,
  )
  return [
    `${paint('good', '✓')} ${escapeControls(config.file)}: ${plural(sources.length, 'source')}, ${plural(remotes.length, 'remote')}, nothing wrong`,
    '',
    ...(sources.length === 0 ? [] : [...sourceTable, ''].map(indented)),
    ...remoteTable.map(indented),
  ]
}

function placeOf({ address }: RemoteConfig): string {
  if (address.kind === 'directory') return address.path
  const server = address.endpoint === undefined ? '' : ` on ${address.endpoint}`
  return `s3://${address.bucket}${address.prefix === '' ? '' : `/${address.prefix}`}${server}`
}

function indented(line: string): string {
  return line === '' ? '' : `  ${line}`
}

async function schema(): Promise<Outcome> {
  const { configJsonSchema } = await import('../../config/json-schema.ts')
  const report = configJsonSchema()
  return { report, lines: () => [JSON.stringify(report, null, 2)], isDocument: true }
}

async function example(): Promise<Outcome> {
  const { exampleConfig } = await import('../../config/example.ts')
  return { report: exampleConfig, lines: () => [exampleConfig.trimEnd()], isDocument: true }
}
