// Refusals and reasons in words; every face of the program takes them from here.

import { Failure } from '../../base/failure.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { DropReason, Problem, SkippedSnapshot, SkipReason, Step } from '../../model/plan.ts'
import type { SpanUnit } from '../../model/policy.ts'
import type { KeepReason } from '../../plan/keep.ts'
import type { SnapshotReason } from '../../plan/releases.ts'
import { spanLabel } from '../../plan/spans.ts'

/** A plan's problem as the failure that a person reads. */
export function refusal(problem: Problem, source: SourceConfig): Failure {
  const what = `cannot back up ${source.name}`
  switch (problem.kind) {
    case 'nested': {
      const shown = problem.names.slice(0, 5).join(', ')
      const more = problem.names.length > 5 ? ` and ${problem.names.length - 5} more` : ''
      return new Failure(
        'refused',
        `${what}: ${source.path} has subvolumes inside, which a snapshot of it leaves out: ${shown}${more}`,
        {
          hint: `make each a source of its own, then list it under sources.${source.name}.nested (or write nested: ignore)`,
        },
      )
    }
    case 'received-source':
      return new Failure(
        'refused',
        `${what}: ${source.path} was made by btrfs receive and is still marked so: all its snapshots would pass for one`,
        {
          hint: 'make a writable snapshot of it (btrfs subvolume snapshot) and back that up instead',
        },
      )
    case 'no-snapshots':
      return new Failure('refused', `${what}: ${noSnapshots(problem, source)}`, {
        hint: hintsForNone[source.snapshots.kind === 'adopted' ? source.snapshots.by : 'anyone'],
      })
  }
}

const hintsForNone = {
  snapper: `see "snapper list": are timeline snapshots on for it, and is this snapper's folder for it?`,
  btrbk: 'see "btrbk list snapshots": is path: the folder of its snapshot_dir?',
  anyone: 'does the pattern name read-only snapshots of this very subvolume?',
}

function noSnapshots({ skipped = [] }: Problem, { snapshots }: SourceConfig): string {
  const where = snapshots.kind === 'adopted' ? snapshots.pattern : snapshots.folder
  if (skipped.length === 0) return `there is no snapshot yet in ${where}`
  const words = skippedInWords(skipped).join('; ')
  return `none of the snapshots in ${where} can be sent: ${words}`
}

const skipWords: Readonly<Record<SkipReason, string>> = {
  'no-subvolume': 'not a subvolume',
  name: 'with a name that is not UTF-8',
  received: 'made by btrfs receive',
  'other-source': 'of another subvolume',
  writable: 'not read-only',
  unfinished: 'half made or half deleted',
}

/** `2 of another subvolume: home.1, home.2`, for each reason. */
export function skippedInWords(skipped: readonly SkippedSnapshot[]): string[] {
  const groups = Map.groupBy(skipped, ({ reason }) => reason)
  return [...groups].map(([reason, ones]) => {
    const shown = ones.slice(0, 3).map(({ path }) => path)
    const more = ones.length > shown.length ? ', …' : ''
    return `${ones.length} ${skipWords[reason]} (${shown.join(', ')}${more})`
  })
}

/** Why a step is planned; times in an IANA time zone. */
export function reasonInWords(step: Step, timeZone: string): string {
  const reason = ownReasonInWords(step, timeZone)
  if (step.kind !== 'send' || step.lost === undefined) return reason
  return `${reason}; the snapshot of backup ${step.lost}, which it would be a difference from, is gone`
}

function ownReasonInWords(step: Step, timeZone: string): string {
  switch (step.reason) {
    case 'first':
      if (step.kind === 'send' && step.epoch !== undefined) {
        const branch = step.makes === 'full' && !step.wantsFull ? ', and none to branch from' : ''
        return `there is no backup of ${step.epoch} yet${branch}`
      }
      return step.kind === 'snapshot' ? 'there is no snapshot yet' : 'there is no backup yet'
    case 'changed':
      return 'the source changed'
    case 'behind':
      return 'this remote lacks the newest snapshot'
    case 'adopted':
      return 'this remote lacks this snapshot'
    case 'unfinished':
      return 'an earlier run was cut short'
    case 'superseded':
      return 'no later backup needs it'
    case 'not-kept':
      return step.drops.map(drop => dropReasonInWords(drop, timeZone)).join('; ')
    case 'grace-over': {
      const [hidden, over] = [step.hiddenAt, step.notBefore].map(time => minuteOf(time, timeZone))
      return `it was forgotten ${hidden}, and its grace ended ${over}`
    }
  }
}

/** Why a part of the rule does not keep a backup. */
function dropReasonInWords(reason: DropReason, timeZone: string): string {
  const words = dropInWords(reason, timeZone)
  return reason.epoch === undefined ? words : `${words}, for ${reason.epoch}`
}

function dropInWords(reason: DropReason, timeZone: string): string {
  switch (reason.kind) {
    case 'before': {
      const { unit, count, startMs } = reason
      const label = spanLabel(unit, startMs, timeZone)
      const name = unitNames[unit]
      return count === 1
        ? `made before this ${name} (${label})`
        : `made before the last ${count} ${name}s (from ${label})`
    }
    case 'not-first': {
      const { unit, startMs, first } = reason
      return `first of ${unitNames[unit]} ${spanLabel(unit, startMs, timeZone)} is backup ${first}`
    }
    case 'not-last':
      return reason.count === 1 ? 'not the last' : `not one of the last ${reason.count}`
    case 'not-newest':
      return 'the rule keeps the newest only'
  }
}

function minuteOf(time: Date, timeZone: string): string {
  return spanLabel('M', time.getTime(), timeZone)
}

const unitNames: Readonly<Record<SpanUnit, string>> = {
  y: 'year',
  q: 'quarter',
  m: 'month',
  w: 'week',
  d: 'day',
  h: 'hour',
  M: 'minute',
  s: 'second',
}

/** Why a backup is kept. */
export function keepReasonInWords(reason: KeepReason, timeZone: string): string {
  const words = keepWhyInWords(reason, timeZone)
  return reason.epoch === undefined ? words : `${words}, for ${reason.epoch}`
}

function keepWhyInWords(reason: KeepReason, timeZone: string): string {
  switch (reason.kind) {
    case 'span':
      return `first of ${unitNames[reason.unit]} ${spanLabel(reason.unit, reason.startMs, timeZone)}`
    case 'newest':
      return 'the newest'
    case 'last':
      return 'one of the last'
    case 'everything':
      return 'everything is kept'
    case 'min-age':
      return 'too young to go'
    case 'future':
      return 'dated in the future: a clock is wrong'
    case 'no-rules':
      return 'no rules here speak of its epoch'
    case 'needed':
      return `backup ${reason.by} needs it`
  }
}

/** Why a snapshot stays on this machine. */
export function snapshotReasonInWords(reason: SnapshotReason, timeZone: string): string {
  if (reason.kind === 'parent') return `the next backup on ${reason.remote} is a difference from it`
  if (reason.kind === 'writable') return 'somebody made it writable'
  return keepReasonInWords(reason, timeZone)
}
