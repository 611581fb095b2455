// What verify has proven, of which backup and which object, and what it met instead. Nothing counts
// as proven that was not entered here: what nobody looked at stays unchecked.

import type { Failure, FailureCode } from '../base/failure.ts'
import { namedObjects } from '../catalog/commit.ts'
import type { ObjectRole } from '../format/object-key.ts'
import type { Backup, StoredObject } from '../model/backup.ts'

/**
 * Named by what they prove; each includes those before it.
 *
 * - listed: manifests are in the store, signed by whom we trust, and form whole chains.
 * - present: the store lists every object that they name, with its size.
 * - bytes: every object was read and has its SHA-256.
 * - decrypts: every object was opened, every stream is what `btrfs send` wrote, whole and sound, and
 *   the index describes it.
 * - receives: `btrfs receive` took every stream, and what came of it has the metadata that it must.
 */
export const verifyLevels = ['listed', 'present', 'bytes', 'decrypts', 'receives'] as const

export type VerifyLevel = (typeof verifyLevels)[number]

export type NamedObject = StoredObject & { readonly key: string; readonly role: ObjectRole }

export interface Finding {
  readonly level: VerifyLevel
  /** Of the backup that it was found in. */
  readonly seq: number
  /** The object's; null when it concerns the backup as a whole. */
  readonly key: string | null
  readonly failure: Failure
}

/** Why something could not be checked, and how often that was so. */
export interface Doubt {
  readonly level: VerifyLevel
  /** The first of its kind. */
  readonly failure: Failure
  readonly count: number
}

export interface Tally {
  readonly total: number
  readonly proven: number
  readonly failed: number
  readonly unchecked: number
}

export interface LevelCoverage {
  readonly level: VerifyLevel
  /** A backup is proven when its whole chain is. */
  readonly backups: Tally
  /** Segments and indexes; null for levels that are not about single objects. */
  readonly objects: Tally | null
  /** As stored; null where `objects` is. */
  readonly bytes: Tally | null
}

/** True: nothing is known to be wrong with the backup, it only could not be looked at. */
export function isDoubt({ code }: Pick<Failure, 'code'>): boolean {
  return doubtful.has(code)
}

const doubtful: ReadonlySet<FailureCode> = new Set([
  'store-unavailable',
  'store-busy',
  'store-refused',
  'archived',
  'identity-wrong',
  'no-space',
  'locked',
  'refused',
  'btrfs-failed',
  'failed',
])

/** 0 for nothing, then the place of the level in verifyLevels, from 1. */
type Mark = number

/** One series: its backups, and what was found about them. */
export class SeriesLedger {
  /** Ascending by seq. */
  readonly backups: readonly BackupLedger[]
  readonly findings: Finding[] = []
  readonly #doubts = new Map<string, { level: VerifyLevel; failure: Failure; count: number }>()
  readonly #bySeq: ReadonlyMap<number, BackupLedger>
  /** Seqs that the store or our memory names, and that are no backups. */
  readonly #lost = new Map<number, 'failed' | 'unchecked'>()

  constructor(backups: readonly Backup[]) {
    this.backups = backups.map(backup => new BackupLedger(backup, this))
    this.#bySeq = new Map(this.backups.map(one => [one.backup.manifest.seq, one]))
    for (const one of this.backups) one.prove('listed')
  }

  get doubts(): readonly Doubt[] {
    return [...this.#doubts.values()]
  }

  /** What the catalog found about the manifest `seq`, whether or not there is a backup of it. */
  addProblem(seq: number, failure: Failure): void {
    const known = this.#bySeq.get(seq)
    if (known !== undefined) return known.enter('listed', failure)
    if (this.#lost.get(seq) !== 'failed') {
      this.#lost.set(seq, isDoubt(failure) ? 'unchecked' : 'failed')
    }
    this.enter({ level: 'listed', seq, key: null, failure })
  }

  enter(finding: Finding): void {
    const { level, failure } = finding
    if (!isDoubt(failure)) {
      this.findings.push(finding)
      return
    }
    const id = `${level} ${failure.code}`
    const known = this.#doubts.get(id)
    if (known === undefined) this.#doubts.set(id, { level, failure, count: 1 })
    else known.count += 1
  }

  parentOf({ backup }: BackupLedger): BackupLedger | undefined {
    const { parent } = backup.manifest
    return parent === null ? undefined : this.#bySeq.get(parent.seq)
  }

  /** Seqs of the backups that can't be restored without `seq`; without itself, ascending. */
  dependentsOf(seq: number): number[] {
    const dependents = new Set([seq])
    for (const { backup } of this.backups) {
      const { manifest } = backup
      if (manifest.parent && dependents.has(manifest.parent.seq)) dependents.add(manifest.seq)
    }
    dependents.delete(seq)
    return [...dependents]
  }

  coverage(level: VerifyLevel): LevelCoverage {
    const mark = markOf(level)
    const backups = new Counter()
    for (const state of this.#chainStates(mark)) backups.add(state)
    for (const state of this.#lost.values()) backups.add(state)
    if (level === 'listed' || level === 'receives') {
      return { level, backups: backups.tally, objects: null, bytes: null }
    }
    const objects = new Counter()
    const bytes = new Counter()
    for (const one of this.backups) {
      for (const [n, object] of one.objects.entries()) {
        const state = one.objectState(n, mark)
        objects.add(state)
        bytes.add(state, object.bytes)
      }
    }
    return { level, backups: backups.tally, objects: objects.tally, bytes: bytes.tally }
  }

  /** Of each backup with all its ancestors: they have lower seqs, so they come first. */
  #chainStates(mark: Mark): Iterable<State> {
    const states = new Map<number, State>()
    for (const one of this.backups) {
      const parent = one.backup.manifest.parent
      const above = parent === null ? 'proven' : (states.get(parent.seq) ?? 'failed')
      states.set(one.backup.manifest.seq, worst([above, one.state(mark)]))
    }
    return states.values()
  }
}

type State = 'proven' | 'failed' | 'unchecked'

/** One backup: marks for itself and for each of its objects. */
export class BackupLedger {
  readonly backup: Backup
  /** Segments, then indexes, each in order. */
  readonly objects: readonly NamedObject[]
  readonly #series: SeriesLedger
  readonly #proven: Uint8Array
  readonly #failed: Uint8Array
  #ownProven: Mark = 0
  #ownFailed: Mark = 0

  constructor(backup: Backup, series: SeriesLedger) {
    this.backup = backup
    this.objects = [...namedObjects(backup.manifest)]
    this.#series = series
    this.#proven = new Uint8Array(this.objects.length)
    this.#failed = new Uint8Array(this.objects.length)
  }

  /** Place among `objects` of the n-th segment or index. */
  placeOf(role: ObjectRole, n: number): number {
    return role === 'segment' ? n : this.backup.manifest.segments.length + n
  }

  prove(level: VerifyLevel): void {
    this.#ownProven = markOf(level)
  }

  /** Something about the backup as a whole: wrong, or not to be checked. */
  enter(level: VerifyLevel, failure: Failure): void {
    const mark = markOf(level)
    if (!isDoubt(failure)) this.#ownFailed = earlier(this.#ownFailed, mark)
    this.#series.enter({ level, seq: this.backup.manifest.seq, key: null, failure })
  }

  proveObject(n: number, level: VerifyLevel): void {
    this.#proven[n] = Math.max(this.#proven[n] ?? 0, markOf(level))
  }

  enterObject(n: number, level: VerifyLevel, failure: Failure): void {
    const mark = markOf(level)
    if (!isDoubt(failure)) this.#failed[n] = earlier(this.#failed[n] ?? 0, mark)
    const key = this.objects[n]?.key ?? null
    this.#series.enter({ level, seq: this.backup.manifest.seq, key, failure })
  }

  hasFailed(n: number): boolean {
    return this.#failed[n] !== 0
  }

  isProven(n: number, level: VerifyLevel): boolean {
    return (this.#proven[n] ?? 0) >= markOf(level)
  }

  objectState(n: number, mark: Mark): State {
    if (hasFailedBy(this.#failed[n] ?? 0, mark)) return 'failed'
    return (this.#proven[n] ?? 0) >= mark ? 'proven' : 'unchecked'
  }

  /** Its own, whatever its ancestors are like. */
  state(mark: Mark): State {
    // What is proven of the objects is proven of the backup, until streams come into it.
    const ownMark = mark < markOf('decrypts') ? markOf('listed') : mark
    const own = this.#ownProven >= ownMark ? 'proven' : 'unchecked'
    const failed = hasFailedBy(this.#ownFailed, mark) ? 'failed' : own
    if (mark === markOf('listed')) return failed
    const objectMark = Math.min(mark, markOf('decrypts'))
    return worst([failed, ...this.objects.map((_, n) => this.objectState(n, objectMark))])
  }
}

class Counter {
  readonly #sums = { proven: 0, failed: 0, unchecked: 0 }

  add(state: State, amount = 1): void {
    this.#sums[state] += amount
  }

  get tally(): Tally {
    const { proven, failed, unchecked } = this.#sums
    return { total: proven + failed + unchecked, proven, failed, unchecked }
  }
}

function markOf(level: VerifyLevel): Mark {
  return verifyLevels.indexOf(level) + 1
}

function hasFailedBy(failed: Mark, mark: Mark): boolean {
  return failed !== 0 && failed <= mark
}

function earlier(one: Mark, other: Mark): Mark {
  return one === 0 ? other : Math.min(one, other)
}

function worst(states: readonly State[]): State {
  if (states.includes('failed')) return 'failed'
  return states.includes('unchecked') ? 'unchecked' : 'proven'
}
