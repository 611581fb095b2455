// A story: a history in a few lines, and what the planner decides on it, line by line, with reasons.
//
//   zone Europe/Paris
//   nas: keep 1y 3m 30d 24h, shape tree, full_every 1y, max_chain 3, min_age 2d, allow_full 5,
//        max_delete 20%, grace 7d, no-delete
//   have nas 2026-11-01T00:00Z full        a backup, and its snapshot here; `from 1`: a difference
//   have nas … full gone | writable        … whose snapshot is not here, or was made writable
//   have nas … full hidden 2026-11-05T…    … that was forgotten then
//   run 2026-11-21T09:30Z                  a run of backup; `unchanged`, `now`, `away nas`, `cut nas`
//   keep 2026-11-21T09:30Z                 what the rules say of each backup then
//   lose 2 | replace                       snapshot 2 was deleted; another subvolume is the source

import { keepReasonInWords, reasonInWords } from '../../src/commands/shared/words.ts'
import type { Backup } from '../../src/model/backup.ts'
import type { SourceName, Uuid } from '../../src/model/ids.ts'
import type { Step } from '../../src/model/plan.ts'
import {
  keepEverything,
  type MaxDelete,
  type Policy,
  parseKeepRule,
  parseSpanCount,
  soleRuleSet,
} from '../../src/model/policy.ts'
import type { Subvolume } from '../../src/model/subvolume.ts'
import { type DeletionPlace, expectedDeletions, tombstoneFor } from '../../src/plan/deletions.ts'
import { keepByRules } from '../../src/plan/keep.ts'
import { situationAfter } from '../../src/plan/outcome.ts'
import { planBackup } from '../../src/plan/plan-backup.ts'
import { expectedReleases } from '../../src/plan/releases.ts'
import type { RemoteSituation, SourceSituation } from '../../src/plan/situation.ts'
import { backupAt } from './histories.ts'

const dayMs = 86_400_000
const msOf = { h: 3_600_000, d: dayMs } as const

interface Remote {
  readonly situation: RemoteSituation
  readonly place: DeletionPlace
  readonly mayDelete: boolean
}

export class Story {
  readonly said: string[] = []
  #zone = 'UTC'
  #source = 'a' as Uuid
  #generation = 1
  #snapshots: Subvolume[] = []
  /** In order of making: the number by which a snapshot is spoken of. */
  readonly #numbers: Uuid[] = []
  readonly #remotes = new Map<string, Remote>()

  tell(line: string): void {
    const [word = '', ...rest] = line.split(' ')
    if (word.endsWith(':')) this.#rules(word.slice(0, -1), rest.join(' '))
    else if (word === 'zone') this.#zone = rest[0] ?? ''
    else if (word === 'have') this.#have(rest)
    else if (word === 'run') this.#run(new Date(rest[0] ?? ''), rest.slice(1).join(' '))
    else if (word === 'keep') this.#keep(new Date(rest[0] ?? ''))
    else if (word === 'lose') this.#lose(Number(rest[0]))
    else if (word === 'replace') this.#source = `${this.#source}+` as Uuid
    else throw new Error(`a story has no line such as: ${line}`)
  }

  #rules(remote: string, text: string): void {
    let policy: Policy = { ...keepEverything, shape: 'tree' }
    let maxDelete: MaxDelete = { percent: 100 }
    let [graceMs, mayDelete] = [7 * dayMs, true]
    for (const part of text.split(', ')) {
      const [name = '', ...words] = part.split(' ')
      const value = words.join(' ')
      const span = parseSpanCount(value) ?? null
      if (name === 'keep') policy = { ...policy, keep: parseKeepRule(value) ?? wrong(part) }
      else if (name === 'shape') policy = { ...policy, shape: value === 'tree' ? value : 'chain' }
      else if (name === 'full_every') policy = { ...policy, fullEvery: span ?? wrong(part) }
      else if (name === 'max_chain') policy = { ...policy, maxChain: Number(value) }
      else if (name === 'min_age') policy = { ...policy, minAgeMs: durationOf(value) }
      else if (name === 'allow_full') policy = { ...policy, allowFullBytes: Number(value) }
      else if (name === 'grace') graceMs = durationOf(value)
      else if (name === 'max_delete') maxDelete = maxDeleteOf(value)
      else if (name === 'no-delete') mayDelete = false
      else wrong(part)
    }
    const { backups = [], unfinished, highestSeq = 0 } = this.#remotes.get(remote)?.situation ?? {}
    const { hidden = [], tombstones = [] } = this.#remotes.get(remote)?.place ?? {}
    const ruleSets = [soleRuleSet(policy)]
    const situation = { remote, backups, highestSeq, unfinished, ruleSets, epochNames: new Map() }
    const place = { remote, hidden, tombstones, graceMs, maxDelete }
    this.#remotes.set(remote, { situation, place, mayDelete })
  }

  #have([name = '', time = '', ...rest]: readonly string[]): void {
    const remote = this.#remotes.get(name) ?? wrong(name)
    const words = rest.join(' ')
    const at = new Date(time)
    const known = this.#snapshots.find(one => one.createdAt.getTime() === at.getTime())
    const snapshot = known ?? this.#made(at)
    if (words.includes('gone')) this.#snapshots = this.#snapshots.filter(one => one !== snapshot)
    if (words.includes('writable')) {
      this.#snapshots = this.#snapshots.map(one =>
        one === snapshot ? { ...one, readOnly: false } : one,
      )
    }
    const { backups } = remote.situation
    const { hidden, tombstones } = remote.place
    const seq = backups.length + hidden.length + 1
    const parent = Number(/from (\d+)/.exec(words)?.[1] ?? 0)
    const made = backupAt(seq, [time, parent])
    const from = [...backups, ...hidden.map(one => one.backup)].find(
      ({ manifest }) => manifest.seq === parent,
    )
    const { uuid, sourceUuid, creationGeneration: generation, createdAt } = snapshot
    const link = from && {
      seq: parent,
      snapshot: from.manifest.snapshot.uuid,
      manifest: from.manifestSha256,
    }
    const facts = { uuid, sourceUuid, generation, createdAt }
    const backup: Backup = {
      ...made,
      manifest: { ...made.manifest, snapshot: facts, parent: link ?? null },
    }
    const hiddenAt = /hidden (\S+)/.exec(words)?.[1]
    if (hiddenAt === undefined) {
      this.#set(remote, { ...remote.situation, backups: [...backups, backup] })
      return
    }
    const created = new Date(hiddenAt)
    const notBefore = new Date(created.getTime() + remote.place.graceMs)
    const tombstone = tombstoneFor(backup, { createdAt: created, notBefore, program: '' })
    this.#remotes.set(name, {
      ...remote,
      situation: { ...remote.situation, highestSeq: seq },
      place: {
        ...remote.place,
        hidden: [...hidden, { backup, tombstone }],
        tombstones: [...tombstones, tombstone],
      },
    })
  }

  #made(createdAt: Date): Subvolume {
    this.#generation += 10
    const number = this.#numbers.length + 1
    const uuid = `snapshot ${number}` as Uuid
    this.#numbers.push(uuid)
    const made = {
      ...this.#situation().subvolume,
      id: 300 + number,
      uuid,
      name: `home.${number}`,
      path: `/snapshots/home.${number}`,
      sourceUuid: this.#source,
      readOnly: true,
      createdAt,
      creationGeneration: this.#generation,
    }
    this.#snapshots.push(made)
    return made
  }

  #situation(): SourceSituation {
    const subvolume = {
      path: '/home',
      id: 256,
      name: 'home',
      uuid: this.#source,
      sourceUuid: null,
      receivedUuid: null,
      generation: this.#generation,
      creationGeneration: 1,
      sendTransid: 0,
      receiveTransid: 0,
      readOnly: false,
      createdAt: new Date(0),
    }
    return {
      name: 'home' as SourceName,
      subvolume,
      nested: [],
      snapshots: this.#snapshots,
      remotes: [...this.#remotes.values()].map(({ situation }) => situation),
      localKeep: null,
      adopted: null,
      timeZone: this.#zone,
      otherNames: [],
    }
  }

  #run(now: Date, words: string): void {
    this.said.push(this.#time(now))
    const away = /away (\S+)/.exec(words)?.[1]
    const cut = /cut (\S+)/.exec(words)?.[1]
    if (!words.includes('unchanged')) this.#generation += 1
    const all = this.#situation()
    const seen = { ...all, remotes: all.remotes.filter(({ remote }) => remote !== away) }
    const { steps } = planBackup(seen, now, { regardless: / ?now/.test(words) })
    const isDone = (step: Step) => step.kind !== 'send' || step.remote !== cut
    const releases = away === undefined ? expectedReleases(seen, { steps, now }) : []
    const places = [...this.#remotes.values()].filter(({ mayDelete }) => mayDelete)
    const deletions =
      away === undefined && cut === undefined
        ? expectedDeletions(
            seen,
            places.map(({ place }) => place),
            { steps, now },
          )
        : []
    const after = situationAfter(seen, { steps: steps.filter(isDone), now })
    for (const { uuid } of after.snapshots)
      if (!this.#numbers.includes(uuid)) this.#numbers.push(uuid)
    this.#snapshots = [...after.snapshots]
    this.#generation = Math.max(this.#generation, after.subvolume.generation)
    for (const situation of after.remotes) this.#set(this.#remote(situation.remote), situation)
    for (const step of [...steps, ...deletions, ...(cut === undefined ? releases : [])]) {
      this.said.push(`  ${this.#words(step, isDone(step))}`)
    }
    if (steps.length + deletions.length === 0) this.said.push('  nothing is due')
    if (cut !== undefined) {
      const snapshot = steps.findLast(step => step.kind === 'send' && step.remote === cut)
      const uuid = snapshot?.kind === 'send' ? snapshot.snapshot : null
      const remote = this.#remote(cut)
      const unfinished = uuid ?? this.#snapshots.at(-1)?.uuid
      this.#set(remote, { ...remote.situation, unfinished })
      return
    }
    if (away !== undefined) return
    for (const step of deletions) this.#apply(step, now)
    const released = new Set(releases.map(({ snapshot }) => snapshot))
    this.#snapshots = this.#snapshots.filter(({ uuid }) => !released.has(uuid))
  }

  #apply(step: Step, now: Date): void {
    if (step.kind !== 'forget' && step.kind !== 'prune') return
    const remote = this.#remote(step.remote)
    const { situation, place } = remote
    if (step.kind === 'prune') {
      const hidden = place.hidden.filter(({ tombstone }) => tombstone.seq !== step.seq)
      const tombstones = hidden.map(({ tombstone }) => tombstone)
      this.#remotes.set(step.remote, { ...remote, place: { ...place, hidden, tombstones } })
      return
    }
    const backup = situation.backups.find(({ manifest }) => manifest.seq === step.seq)
    if (backup === undefined) throw new Error('what is forgotten is there')
    const times = { createdAt: now, notBefore: step.notBefore, program: '' }
    const tombstone = tombstoneFor(backup, times)
    this.#remotes.set(step.remote, {
      ...remote,
      situation: {
        ...situation,
        highestSeq: Math.max(situation.highestSeq ?? 0, step.seq),
        backups: situation.backups.filter(one => one !== backup),
      },
      place: {
        ...place,
        hidden: [...place.hidden, { backup, tombstone }],
        tombstones: [...place.tombstones, tombstone],
      },
    })
  }

  #keep(now: Date): void {
    this.said.push(`${this.#time(now)}, by the rule`)
    for (const { situation } of this.#remotes.values()) {
      for (const { backup, reasons } of keepByRules(situation, { now, timeZone: this.#zone })) {
        const { seq, snapshot } = backup.manifest
        const words = reasons.map(one => keepReasonInWords(one, this.#zone)).join('; ')
        const time = this.#time(snapshot.createdAt)
        this.said.push(`  ${situation.remote} ${seq}, ${time}: ${words || 'not kept'}`)
      }
    }
  }

  #words(step: Step, isDone: boolean): string {
    const why = reasonInWords(step, this.#zone)
    switch (step.kind) {
      case 'snapshot':
        return `snapshot ${this.#numbers.length}: ${why}`
      case 'send': {
        const parents = step.parents.map(({ seq }) => seq).join(', then ')
        const from = parents === '' ? '' : ` from ${parents}`
        const full =
          step.wantsFull || parents !== ''
            ? ''
            : `, which no rule asks for${limit(step.fullLimitBytes)}`
        const what = step.snapshot === null ? '' : `snapshot ${this.#number(step.snapshot)} `
        return `${step.remote}: ${what}${step.makes}${from}${full}: ${why}${isDone ? '' : ' (cut)'}`
      }
      case 'release':
        return `delete snapshot ${this.#number(step.snapshot)}: ${why}`
      case 'forget':
        return `forget ${step.remote} ${step.seq}: ${why}`
      case 'prune':
        return `prune ${step.remote} ${step.seq}: ${why}`
    }
  }

  #lose(number: number): void {
    this.#snapshots = this.#snapshots.filter(({ uuid }) => uuid !== this.#numbers[number - 1])
  }

  #number(uuid: Uuid): number {
    return this.#numbers.indexOf(uuid) + 1
  }

  #remote(name: string): Remote {
    return this.#remotes.get(name) ?? wrong(name)
  }

  #set(remote: Remote, situation: RemoteSituation): void {
    this.#remotes.set(situation.remote, { ...this.#remote(situation.remote), ...remote, situation })
  }

  #time(time: Date): string {
    const zoned = Temporal.Instant.fromEpochMilliseconds(time.getTime()).toZonedDateTimeISO(
      this.#zone,
    )
    const day = zoned.toLocaleString('en', { weekday: 'short' })
    const minute = zoned.toPlainTime().toString({ smallestUnit: 'minute' })
    const offset = this.#zone === 'UTC' ? '' : zoned.offset
    return `${day} ${zoned.toPlainDate().toString()} ${minute}${offset}`
  }
}

function limit(bytes: number): string {
  return bytes > Number.MAX_SAFE_INTEGER / 2 ? '' : ` (${bytes} bytes at most)`
}

function durationOf(text: string): number {
  const unit = text.at(-1)
  if (unit !== 'h' && unit !== 'd') return text === '0' ? 0 : wrong(text)
  return Number(text.slice(0, -1)) * msOf[unit]
}

function maxDeleteOf(text: string): MaxDelete {
  return text.endsWith('%') ? { percent: Number(text.slice(0, -1)) } : { count: Number(text) }
}

function wrong(text: string): never {
  throw new Error(`a story does not know: ${text}`)
}
