// Several rule sets on one remote: which backups are of which epoch, and what each rule set counts on.
// Epochs go by their names here; backups of one whose name nobody knows are of no rule set's.

import type { Backup } from '../model/backup.ts'
import type { EpochId } from '../model/ids.ts'
import type { RuleSet } from '../model/policy.ts'
import type { SeriesRules } from './situation.ts'

/** Null: of no named epoch; undefined: of one whose name nobody knows. */
export type EpochName = string | null | undefined

export function epochOf(
  { manifest }: Pick<Backup, 'manifest'>,
  names: ReadonlyMap<EpochId, string>,
): EpochName {
  return manifest.epoch === undefined ? null : names.get(manifest.epoch)
}

/**
 * The epoch of a rule set, the one that it branches from, and so on: what is a backup in one of
 * them is one for this rule set too, and may be what its next backup is a difference from.
 */
export function lineOf(rules: RuleSet, ruleSets: readonly RuleSet[]): readonly (string | null)[] {
  const line: (string | null)[] = []
  let at: RuleSet | undefined = rules
  while (at !== undefined && !line.includes(at.epoch)) {
    line.push(at.epoch)
    const { branchFrom }: RuleSet = at
    if (branchFrom === null) return line
    at = ruleSets.find(({ epoch }) => epoch === branchFrom)
    if (at === undefined && !line.includes(branchFrom)) line.push(branchFrom)
  }
  return line
}

/** One rule set of a remote, with what counts for it. */
export interface EpochSituation {
  readonly rules: RuleSet
  readonly line: readonly (string | null)[]
  /** Of its line. */
  readonly backups: readonly Backup[]
  /** Of its line without its own epoch. */
  readonly above: readonly Backup[]
  /** It is to branch from an epoch of which there is nothing. */
  readonly lacksBranch: boolean
}

export function epochSituations(series: SeriesRules): EpochSituation[] {
  const { ruleSets } = series
  return ruleSets.map(rules => {
    const line = lineOf(rules, ruleSets)
    const backups = backupsOf(series, line)
    const above = backupsOf(series, line.slice(1))
    const isFormer = isFormerEpoch(rules.branchFrom, ruleSets)
    const lacksBranch = isFormer && series.backups.length > 0 && backups.length === 0
    return { rules, line, backups, above, lacksBranch }
  })
}

/** Without those that branch from another of them: what is sent for that one counts for them too. */
export function withoutCovered(epochs: readonly EpochSituation[]): EpochSituation[] {
  const names = new Set(epochs.map(({ rules }) => rules.epoch))
  return epochs.filter(({ line }) => !line.slice(1).some(name => names.has(name)))
}

/** From which no other branches: the one with the shortest spans, of monthly and daily ones. */
export function isLeaf({ rules }: EpochSituation, all: readonly EpochSituation[]): boolean {
  return rules.epoch === null || all.every(other => other.rules.branchFrom !== rules.epoch)
}

export function backupsOf(
  { backups, epochNames }: Pick<SeriesRules, 'backups' | 'epochNames'>,
  line: readonly EpochName[],
): Backup[] {
  return backups.filter(backup => {
    const epoch = epochOf(backup, epochNames)
    return epoch !== undefined && line.includes(epoch)
  })
}

export interface Judged {
  /** What the rule set speaks of: backups of its epoch. */
  readonly own: readonly Backup[]
  /** What can be the first of a span or one of the last: also those of epochs that it branches from. */
  readonly counted: readonly Backup[]
}

/** The only rule set judges every backup, whatever its epoch. */
export function judgedBy(rules: RuleSet, series: SeriesRules): Judged {
  const { backups, ruleSets } = series
  if (ruleSets.length === 1) return { own: backups, counted: backups }
  return {
    own: backupsOf(series, [rules.epoch]),
    counted: backupsOf(series, lineOf(rules, ruleSets)),
  }
}

/** Of epochs that no rule set names, or that nobody can name. */
export function unruled(series: SeriesRules): Backup[] {
  const { backups, ruleSets } = series
  if (ruleSets.length === 1) return []
  const ruled = new Set(ruleSets.flatMap(rules => judgedBy(rules, series).own))
  return backups.filter(backup => !ruled.has(backup))
}

function isFormerEpoch(name: string | null, ruleSets: readonly RuleSet[]): boolean {
  return name !== null && !ruleSets.some(({ epoch }) => epoch === name)
}
