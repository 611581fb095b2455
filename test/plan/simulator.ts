// A source whose plans are carried out as if by btrfs and a remote, on a clock of the test's own.

import type { Backup } from '../../src/model/backup.ts'
import type { EpochId, SourceName } from '../../src/model/ids.ts'
import type { SendStep } from '../../src/model/plan.ts'
import { type Policy, type RuleSet, soleRuleSet } from '../../src/model/policy.ts'
import type { Subvolume } from '../../src/model/subvolume.ts'
import { keepByRules } from '../../src/plan/keep.ts'
import { planBackup, releasableSnapshots } from '../../src/plan/plan-backup.ts'
import type { SeriesRules, SourceSituation } from '../../src/plan/situation.ts'
import { backupAt, kept, uuidOf } from './histories.ts'

export interface RunOptions {
  readonly changed: boolean
  readonly regardless?: boolean
  readonly forget?: boolean
  /** Remotes that can't be reached: nothing is sent there, and nothing is released. */
  readonly away?: readonly string[]
}

export class Simulator {
  mostSnapshots = 0
  readonly #timeZone: string
  readonly #remotes: {
    remote: string
    ruleSets: readonly RuleSet[]
    epochNames: ReadonlyMap<EpochId, string>
    backups: Backup[]
    depths: number[]
  }[]
  #snapshots: Subvolume[] = []
  #made = 0

  constructor(policies: Readonly<Record<string, Policy | readonly RuleSet[]>>, timeZone: string) {
    this.#timeZone = timeZone
    this.#remotes = Object.entries(policies).map(([remote, rules]) => {
      const ruleSets = 'keep' in rules ? [soleRuleSet(rules)] : rules
      return { remote, ruleSets, epochNames: namesIn(ruleSets), backups: [], depths: [] }
    })
  }

  /** One run of backup; after it, `forget` takes away what the rules don't keep. */
  run(now: Date, { changed, regardless = false, forget = false, away = [] }: RunOptions): void {
    const plan = planBackup(this.situation(changed), now, { regardless })
    for (const step of plan.steps) {
      if (step.kind === 'snapshot') this.#snapshot(now)
      if (step.kind === 'send' && !away.includes(step.remote)) this.#send(step)
    }
    if (forget) this.#forget(now)
    if (away.length > 0) return
    const released = new Set(releasableSnapshots(this.situation(false), now))
    this.#snapshots = this.#snapshots.filter(one => !released.has(one))
    this.mostSnapshots = Math.max(this.mostSnapshots, this.#snapshots.length)
  }

  situation(changed: boolean): SourceSituation {
    return {
      name: 'home' as SourceName,
      subvolume: {
        ...this.#subvolume(0, new Date(0)),
        generation: this.#made * 2 + (changed ? 1 : 0),
      },
      nested: [],
      snapshots: this.#snapshots,
      remotes: this.#remotes.map(one => ({ ...one, unfinished: undefined })),
      timeZone: this.#timeZone,
      localKeep: null,
      adopted: null,
      otherNames: [],
    }
  }

  backups(remote: string): readonly Backup[] {
    return this.#find(remote).backups
  }

  /** Seq of each backup's parent; 0: full. */
  parents(remote: string): number[] {
    return this.backups(remote).map(({ manifest }) => manifest.parent?.seq ?? 0)
  }

  /** Of every chain that was ever made. */
  depths(remote: string): readonly number[] {
    return this.#find(remote).depths
  }

  /** Name of each backup's epoch; empty: none. */
  epochs(remote: string): string[] {
    const { backups, epochNames } = this.#find(remote)
    return backups.map(({ manifest }) => epochNames.get(manifest.epoch ?? ('' as EpochId)) ?? '')
  }

  series(remote: string): SeriesRules {
    return this.#find(remote)
  }

  /** Somebody edited the configuration. */
  change(remote: string, ruleSets: readonly RuleSet[]): void {
    Object.assign(this.#find(remote), { ruleSets, epochNames: namesIn(ruleSets) })
  }

  /** Somebody deleted the snapshot that was made as number n. */
  lose(n: number): void {
    this.#snapshots = this.#snapshots.filter(({ uuid }) => uuid !== uuidOf(n))
  }

  /** So many hourly backups on every remote at once, each a difference from the first. */
  fill(count: number): void {
    for (let n = 1; n <= count; n += 1) this.#snapshot(new Date(n * 3_600_000))
    for (const remote of this.#remotes) {
      remote.backups = this.#snapshots.map((one, index) =>
        backupAt(index + 1, [one.createdAt.toISOString(), index === 0 ? 0 : 1]),
      )
    }
  }

  #find(remote: string) {
    const found = this.#remotes.find(one => one.remote === remote)
    if (found === undefined) throw new Error(`no remote ${remote}`)
    return found
  }

  #snapshot(now: Date): void {
    this.#made += 1
    this.#snapshots.push(this.#subvolume(this.#made, now))
  }

  #subvolume(n: number, createdAt: Date): Subvolume {
    return {
      path: `/snapshots/${n}`,
      id: 256 + n,
      name: `home.${n}`,
      uuid: uuidOf(n),
      sourceUuid: n === 0 ? null : uuidOf(0),
      receivedUuid: null,
      generation: n * 2,
      creationGeneration: n * 2,
      sendTransid: 0,
      receiveTransid: 0,
      readOnly: n !== 0,
      createdAt,
    }
  }

  #send(step: SendStep): void {
    const remote = this.#find(step.remote)
    const snapshot =
      step.snapshot === null
        ? this.#snapshots.at(-1)
        : this.#snapshots.find(({ uuid }) => uuid === step.snapshot)
    if (snapshot === undefined) throw new Error('a send of no snapshot')
    const parent = step.parents[0]?.seq ?? 0
    const seq = Math.max(0, ...remote.backups.map(({ manifest }) => manifest.seq)) + 1
    const made = backupAt(seq, [snapshot.createdAt.toISOString(), parent], snapshot.generation)
    const { uuid, generation, createdAt } = snapshot
    const facts = { uuid, generation, createdAt, sourceUuid: snapshot.sourceUuid }
    const epoch = step.epoch === undefined ? {} : { epoch: epochIdFor(step.epoch) }
    remote.backups.push({ ...made, manifest: { ...made.manifest, ...epoch, snapshot: facts } })
    remote.depths.push(this.#depth(remote.backups, seq))
  }

  #depth(backups: readonly Backup[], seq: number): number {
    const parent = backups.find(({ manifest }) => manifest.seq === seq)?.manifest.parent
    return parent ? this.#depth(backups, parent.seq) + 1 : 1
  }

  #forget(now: Date): void {
    for (const remote of this.#remotes) {
      const at = { now, timeZone: this.#timeZone }
      const left = new Set(kept(keepByRules(remote, at)))
      remote.backups = remote.backups.filter(({ manifest }) => left.has(manifest.seq))
    }
  }
}

/** An id for each name, the same in every test. */
export function epochIdFor(name: string): EpochId {
  return Buffer.from(name).toString('hex').padEnd(32, '0') as EpochId
}

/** As the configuration and the signing key would tell them. */
export function namesIn(ruleSets: readonly RuleSet[]): ReadonlyMap<EpochId, string> {
  const names = ruleSets
    .flatMap(({ epoch, branchFrom }) => [epoch, branchFrom])
    .filter(name => name !== null)
  return new Map(names.map(name => [epochIdFor(name), name]))
}
