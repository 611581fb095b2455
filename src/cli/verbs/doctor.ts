// btrvault doctor: looks at everything that a backup will need, and changes nothing.

import { plural } from '../../base/units.ts'
import type { Check, CheckOutcome } from '../../commands/doctor/checks.ts'
import type { DoctorReport } from '../../commands/doctor.ts'
import type { Paint, Tone } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { padEnd, widthOf, wrap } from '../width.ts'
import { remoteFlag } from './shared-flags.ts'

export const doctorVerb: Verb = {
  name: 'doctor',
  summary: 'look for what could go wrong, before it does',
  description:
    'Look at everything that a backup and a restore will need: the machine and its versions, the keys, each source and its filesystem, and what each remote can do, which is found out by trying: a dozen small objects are written there and removed again. Nothing else is changed. Says what is well, and for each thing that is not, what to do.',
  examples: [
    { does: 'is everything in order?', line: 'btrvault doctor' },
    { does: 'with all that was found', line: 'btrvault doctor --verbose' },
    { does: 'try out one remote again', line: 'btrvault doctor --remote aws' },
  ],
  flags: [{ ...remoteFlag, defaultText: 'all remotes' }],
  exits: [3],
  run: runDoctor,
}

async function runDoctor(call: Call): Promise<Outcome> {
  const { doctor } = await import('../../commands/doctor.ts')
  const report = await doctor(call.context, {
    config: await call.configIfAny(),
    configPath: call.configPath,
    remotes: call.flags.list('remote'),
  })
  return { report, exit: report.exitStatus, lines: view => doctorLines(report, view) }
}

export function doctorLines({ checks, badCount, warnCount }: DoctorReport, view: View): string[] {
  const areas = [...new Set(checks.map(({ area }) => area))]
  const told = view.verbose ? checks : checks.filter(({ outcome }) => outcome !== 'ok')
  const nameWidth = Math.max(0, ...told.map(({ name }) => widthOf(name)))
  const layout = { ...view, nameWidth }
  return [
    ...areas.flatMap(area => {
      const well = checks.filter(check => check.area === area && !told.includes(check))
      return [
        view.paint('strong', escapeControls(area)),
        ...wellLines(well, view),
        ...told.filter(check => check.area === area).flatMap(check => checkLines(check, layout)),
        '',
      ]
    }),
    verdict({ badCount, warnCount, checkCount: checks.length }, view.paint),
    ...(view.verbose ? [] : [view.paint('quiet', '  --verbose tells what was found')]),
  ]
}

/** What is well, by its names alone: it is what is not well that a person came for. */
function wellLines(checks: readonly Check[], { paint, width }: View): string[] {
  if (checks.length === 0) return []
  const names = checks.map(({ name }) => escapeControls(name)).join(', ')
  const room = Math.max(24, Math.min(width, 120) - 6)
  return wrap(names, room).map(
    (line, n) => `  ${n === 0 ? paint('good', '✓') : ' '} ${paint('quiet', line)}`,
  )
}

const marks: Readonly<Record<CheckOutcome, readonly [Tone, string]>> = {
  ok: ['good', '✓'],
  warn: ['warning', '!'],
  bad: ['bad', '✗'],
}

function checkLines(check: Check, { paint, width, nameWidth }: View & { nameWidth: number }) {
  const [tone, mark] = marks[check.outcome]
  const start = `${paint(tone, mark)} ${paint('quiet', padEnd(check.name, nameWidth))}  `
  const indent = ' '.repeat(nameWidth + 4)
  const room = Math.max(24, Math.min(width, 120) - indent.length - 2)
  const hintRoom = room - 2
  const hint = check.hint === undefined ? [] : wrap(`→ ${escapeControls(check.hint)}`, hintRoom)
  const words = wrap(escapeControls(check.words), room)
  return [
    ...words.map((line, n) => `${n === 0 ? `  ${start}` : `  ${indent}`}${line}`),
    ...hint.map((line, n) => `  ${indent}${n === 0 ? '' : '  '}${paint('quiet', line)}`),
  ]
}

function verdict(
  { badCount, warnCount, checkCount }: { badCount: number; warnCount: number; checkCount: number },
  paint: Paint,
): string {
  const warnings = warnCount === 0 ? '' : `, ${plural(warnCount, 'thing')} to know about`
  if (badCount > 0) {
    return `${paint('bad', `✗ ${plural(badCount, 'thing')} to put right`)}${warnings}`
  }
  const well = warnCount === 0 ? 'All is well' : 'Nothing is wrong'
  return `${paint('good', `✓ ${well}`)}${warnings} (${plural(checkCount, 'check')})`
}
