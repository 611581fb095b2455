// The hash that `plan` prints and `backup --plan` holds a run to. It has a part for each thing that
// can change, so that a refusal can say which did.

import { createHash } from 'node:crypto'
import { Failure, isFailure } from '../../base/failure.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { Plan } from '../../model/plan.ts'
import { type MarkName, type Marks, markNames, marksOf } from '../../plan/marks.ts'
import { nowOf } from '../shared/context.ts'
import { reportFailure } from '../shared/report.ts'
import { planSource, type SourceWishes } from './planned.ts'
import type { LookSession } from './send.ts'
import { lookAt, type Situation } from './situation.ts'

const digitsOfPart = 6

/** `0f3c9a-…`: four parts, in the order of the marks; of all sources of a run. */
export function planHash(all: readonly Marks[]): string {
  return markNames.map(name => partOf(all, name)).join('-')
}

function partOf(all: readonly Marks[], name: MarkName): string {
  const text = JSON.stringify(all.map(marks => marks[name]))
  return createHash('sha256').update(text).digest('hex').slice(0, digitsOfPart)
}

export function marksOfPlan({ views, unusable, ...situation }: Situation, plan: Plan): Marks {
  const limits = [...views].map(([remote, { opened }]) => {
    const { access, graceMs, maxDelete } = opened.config
    return [remote, access, graceMs, maxDelete]
  })
  return marksOf(situation, plan, {
    hidden: new Map([...views].map(([remote, view]) => [remote, view.hidden])),
    limits,
    unusable: unusable.map(({ remote }) => remote),
  })
}

/** Of a source that can't be looked at. */
export function marksOfFailure({ name }: SourceConfig, code: string): Marks {
  const text = JSON.stringify([name, code])
  return { steps: text, backups: text, snapshots: text, rules: text }
}

/**
 * What each source's plan must still be when its turn comes. Failure 'refused', with nothing done,
 * when it is not the plan of `hash` any more.
 */
export async function agreedMarks(
  session: LookSession,
  sources: readonly SourceConfig[],
  { hash, ...wishes }: SourceWishes & { readonly hash: string },
): Promise<ReadonlyMap<string, Marks>> {
  const agreed = new Map<string, Marks>()
  for (const source of sources) agreed.set(source.name, await lookForMarks(session, source, wishes))
  const all = [...agreed.values()]
  if (planHash(all) === hash) return agreed
  const parts = hash.split('-')
  throw changed(markNames.filter((name, index) => partOf(all, name) !== parts[index]))
}

async function lookForMarks(
  session: LookSession,
  source: SourceConfig,
  wishes: SourceWishes,
): Promise<Marks> {
  try {
    const situation = await lookAt(session, source)
    return marksOfPlan(situation, planSource(situation, nowOf(session.context), wishes))
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    return marksOfFailure(source, reportFailure(error).code)
  }
}

/** Failure 'refused' when it changed since the run began. */
export function refuseOtherPlan(agreed: Marks | undefined, marks: Marks): void {
  if (agreed === undefined) return
  const names = markNames.filter(name => agreed[name] !== marks[name])
  if (names.length > 0) throw changed(names)
}

const words: Readonly<Record<MarkName, string>> = {
  steps: 'what is to be done',
  backups: 'the backups on the remotes',
  snapshots: 'the snapshots on this machine',
  rules: 'the configuration',
}

function changed(names: readonly MarkName[]): Failure {
  const all = names.map(name => words[name])
  const listed = all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`
  const verb = all.length < 2 && names[0] !== 'backups' && names[0] !== 'snapshots' ? 'is' : 'are'
  return new Failure(
    'refused',
    `cannot carry out that plan: ${listed} ${verb} not the same any more`,
    { hint: 'run btrvault plan again, with the same sources and flags; nothing of it was done' },
  )
}
