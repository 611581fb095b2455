// docs/reports.md: what --json prints for each command, from the types that commands return.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, failureCodes } from '../src/base/failure.ts'
import { type Field, type Shape, shapeOf } from './type-shapes.ts'

interface ReportType {
  readonly command: string
  /** A type expression, and the file below src in which it is meant. */
  readonly type: string
  readonly file: string
  /** Fields of the type that are never set in a report, with all below. */
  readonly never?: readonly string[]
}

export const reportTypes: readonly ReportType[] = [
  { command: 'demo', type: 'DemoReport', file: 'commands/demo.ts' },
  {
    command: 'config check',
    type: "Pick<Config, 'file' | 'timezone' | 'state' | 'sources' | 'remotes' | 'warnings'>",
    file: 'config/config.ts',
    never: ['remotes[].address.credentials', 'remotes[].address.identity'],
  },
  { command: 'keygen', type: 'KeygenReport', file: 'commands/keygen.ts' },
  { command: 'init', type: 'InitReport', file: 'commands/init.ts' },
  { command: 'doctor', type: 'DoctorReport', file: 'commands/doctor.ts' },
  { command: 'plan', type: 'PlanReport', file: 'commands/plan.ts' },
  { command: 'backup', type: 'BackupReport', file: 'commands/backup.ts' },
  { command: 'status', type: 'StatusReport', file: 'commands/status.ts' },
  { command: 'list', type: 'ListReport', file: 'commands/list.ts' },
  { command: 'verify', type: 'VerifyReport', file: 'commands/verify.ts' },
  { command: 'restore', type: 'RestoreReport', file: 'commands/restore.ts' },
  { command: 'forget', type: 'ForgetReport', file: 'commands/forget.ts' },
  { command: 'undelete', type: 'UndeleteReport', file: 'commands/undelete.ts' },
  { command: 'prune', type: 'PruneReport', file: 'commands/prune.ts' },
  { command: 'du', type: 'DuReport', file: 'commands/du.ts' },
]

export interface Row {
  /** `sources[].sends[].seq` */
  readonly path: string
  /** What the value may be: `number`, `text`, `null`, `time`, `list`, `object`, a quoted word, … */
  readonly kinds: readonly string[]
  readonly optional: boolean
  readonly doc: string
}

export function reportRows({ type, file, never = [] }: ReportType): readonly Row[] {
  const shape = shapeOf(type, file, path => readFileSync(join(src, path), 'utf8'))
  const rows = merged(rowsOf(shape, ''))
  return rows.filter(({ path }) => !never.some(one => path === one || path.startsWith(`${one}.`)))
}

const src = join(import.meta.dirname, '..', 'src')

export function reportReference(): string {
  return [head, ...reportTypes.map(section), failureSection(), progressSection()].join('\n')
}

const head = `<!-- Generated from the report types in src/ by scripts/generate-docs.ts. Do not edit. -->

# Reports

With \`--json\` a command prints one JSON document on standard output, whatever happened:

\`\`\`json
{ "command": "backup", "ok": true, "exit": 0, "report": {} }
\`\`\`

\`exit\` is the exit status, and \`ok\` is true when it is 0. \`report\` is what this page describes. When there is none, because the command
failed as a whole, \`error\` stands in its place, with \`code\`, \`message\`, \`hint\` (or null) and \`exit\`. What the statuses mean is
in [cli.md](cli.md#exit-statuses).

Times are ISO 8601 in UTC, sizes are bytes, durations milliseconds. \`[]\` in a path stands for each element of a list. A field marked
with \`?\` may be left out. Fields may be added in later versions; those that are here keep their meaning within a major version.

Paths of the user's files, in \`comparison\` only, have one character a byte, because names need not be UTF-8.

\`config schema\`, \`config example\`, \`policy s3\` and \`restore --stdout\` print their product instead.
`

function section(type: ReportType): string {
  return `## btrvault ${type.command}\n\n${table(reportRows(type))}`
}

function failureSection(): string {
  const failure = { command: '', type: 'FailureReport', file: 'commands/shared/report.ts' }
  return `## Failure

What failed on the way, wherever a field is said to be a *failure*.

${table(reportRows(failure))}
The codes, by exit status; \`error.code\` may also be \`bug\`, with status 70:

| status | codes |
|---|---|
${codeRows().join('\n')}
`
}

function codeRows(): string[] {
  const byStatus = Object.groupBy(failureCodes, code => new Failure(code, '').exitStatus)
  return Object.entries(byStatus).map(
    ([status, codes = []]) => `| ${status} | ${codes.map(code => `\`${code}\``).join(', ')} |`,
  )
}

function progressSection(): string {
  const event = { command: '', type: 'Event', file: 'model/event.ts' }
  return `## Progress

With \`--progress json\` each line on standard error is one JSON object: a *step* was taken, a *warning* is given, or
something made *progress*, of which only the latest of a subject counts. Errors are lines of words there; with \`--json\`
they stand in the document.

${table(reportRows(event))}`
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ path, kinds, optional, doc }) => {
    return `| \`${path}\`${optional ? ' ?' : ''} | ${kinds.map(kindText).join(', ')} | ${doc.replaceAll('|', '\\|')} |`
  })
  return ['| field | is | means |', '|---|---|---|', ...lines, ''].join('\n')
}

function kindText(kind: string): string {
  return kind.replace('failure', '[failure](#failure)')
}

function rowsOf(shape: Shape, path: string): Row[] {
  if (shape.kind === 'object') return shape.fields.flatMap(field => fieldRows(field, path))
  if (shape.kind === 'list') return rowsOf(shape.of, `${path}[]`)
  if (shape.kind === 'one-of') return alternativeRows(shape.of, path)
  return []
}

/** A field that not every alternative has may be left out. */
function alternativeRows(shapes: readonly Shape[], path: string): Row[] {
  const objects = shapes.filter(({ kind }) => kind === 'object')
  const isEverywhere = (name: string) =>
    objects.every(one => one.kind === 'object' && one.fields.some(field => field.name === name))
  return shapes.flatMap(shape => {
    if (shape.kind !== 'object') return rowsOf(shape, path)
    return shape.fields.flatMap(field =>
      fieldRows({ ...field, optional: field.optional || !isEverywhere(field.name) }, path),
    )
  })
}

function fieldRows({ name, optional, doc, shape }: Field, above: string): Row[] {
  const path = above === '' ? name : `${above}.${name}`
  const row = { path, kinds: kindsOf(shape), optional, doc }
  return [row, ...(isFailure(shape) ? [] : rowsOf(withoutFailure(shape), path))]
}

function kindsOf(shape: Shape): string[] {
  if (shape.kind === 'leaf') return [shape.words]
  if (shape.kind === 'one-of') return [...new Set(shape.of.flatMap(kindsOf))]
  if (shape.kind === 'object') return [isFailure(shape) ? 'failure' : 'object']
  const inner = kindsOf(shape.of)
  return [inner.every(kind => kind === 'object') ? 'list' : `list of ${inner.join(' or ')}`]
}

function isFailure(shape: Shape): boolean {
  return shape.kind === 'object' && shape.name === 'FailureReport'
}

/** Failures are described once; what stands beside them in a field is told with it. */
function withoutFailure(shape: Shape): Shape {
  if (shape.kind === 'list' && isFailure(shape.of)) {
    const extra =
      shape.of.kind === 'object'
        ? shape.of.fields.filter(({ name }) => !failureFields.has(name))
        : []
    return { kind: 'list', of: { kind: 'object', name: undefined, fields: extra } }
  }
  if (shape.kind === 'one-of') {
    return { kind: 'one-of', of: shape.of.filter(one => !isFailure(one)) }
  }
  return shape
}

const failureFields = new Set(['code', 'message', 'hint', 'exitStatus'])

/** The same field of several alternatives is one row: optional unless all have it. */
function merged(rows: readonly Row[]): Row[] {
  const byPath = new Map<string, Row>()
  for (const row of rows) {
    const known = byPath.get(row.path)
    if (known === undefined) byPath.set(row.path, row)
    else {
      const kinds = [...new Set([...known.kinds, ...row.kinds])]
      const docs = [...new Set([known.doc, row.doc].filter(text => text !== ''))]
      const optional = known.optional || row.optional
      byPath.set(row.path, { path: row.path, kinds, optional, doc: docs.join(' ') })
    }
  }
  return [...byPath.values()]
}
