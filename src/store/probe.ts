// What a store can do, found out by trying: init does it once for each remote, doctor again.

import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { concatBytes, encodeUtf8, equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type Failure, isFailure } from '../base/failure.ts'
import { formatDuration } from '../base/units.ts'
import type { NewObject } from '../model/object.ts'
import type { ProbeCheck, ProbeCheckName, ProbeOutcome, ProbeReport } from '../model/probe.ts'
import { type LockTrial, removeTrialVersions, tryLock } from './probe-lock.ts'
import type { Store } from './store.ts'

export interface ProbeOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** Whether objects will be locked there: then that is tried too. */
  readonly locks?: boolean | undefined
  /** Try nothing but what a machine does that only writes. */
  readonly onlyPuts?: boolean | undefined
}

const racers = 8

/** S3 refuses requests that are 15 minutes off; ages of backups are wrong much earlier. */
const badSkewMs = 5 * 60_000

/**
 * Writes a dozen small objects under `probe/<random>/` and takes them away again. Throws when the
 * store cannot be reached or is not there; whatever it answers becomes a check.
 */
export async function probeStore(store: Store, options: ProbeOptions): Promise<ProbeReport> {
  const trial = new Trial(store, options)
  try {
    await trial.run()
  } finally {
    await trial.cleanUp()
  }
  const { checks, clockSkewMs, left } = trial
  const isOk = (name: ProbeCheckName) =>
    checks.some(check => check.name === name && check.outcome === 'ok')
  return {
    at: options.clock.now(),
    address: store.address,
    checks,
    clockSkewMs,
    createIfAbsent: isOk('create-if-absent') && isOk('create-if-absent in a race'),
    left,
  }
}

interface Verdict {
  readonly outcome: ProbeOutcome
  readonly words: string
}

class Trial {
  readonly #store: Store
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  readonly #locks: boolean
  readonly #folder = `probe/${randomBytes(12).toString('hex')}/`
  readonly #made = new Set<string>()
  readonly checks: ProbeCheck[] = []
  readonly left: string[] = []
  readonly #onlyPuts: boolean
  clockSkewMs: number | undefined

  constructor(store: Store, options: ProbeOptions) {
    const { clock, signal, locks = false, onlyPuts = false } = options
    this.#onlyPuts = onlyPuts
    this.#store = store
    this.#clock = clock
    this.#signal = signal
    this.#locks = locks
  }

  async run(): Promise<void> {
    const first = this.#object('first')
    const a = `${this.#folder}a`
    const written = await this.#check('put', () => this.#put(a, first))
    if (written.outcome !== 'ok') return
    await this.#check('create-if-absent', () => this.#createTwice())
    await this.#check('create-if-absent in a race', () => this.#race())
    if (this.#onlyPuts) return
    const readable = await this.#check('read', () =>
      this.#expect(a, first, 'it reads what it wrote'),
    )
    await this.#check('ranges', () => this.#ranges(a, first))
    await this.#check('list after write', () => this.#list())
    await this.#check('overwrite', () => this.#overwrite(a, readable.outcome === 'ok'))
    await this.#check('delete', () => this.#delete(a, readable.outcome === 'ok'))
    await this.#check('delete beyond the trial', () => this.#deleteElsewhere())
    await this.#check('clock', () => this.#compareClocks())
    if (this.#locks) await this.#tryLock()
  }

  async #tryLock(): Promise<void> {
    let lift: Verdict | undefined
    await this.#check('object lock', async () => {
      const verdicts = await tryLock(this.#lockTrial())
      lift = verdicts.lift
      return verdicts.lock
    })
    if (lift !== undefined) this.checks.push({ name: 'lift object lock', ...lift })
  }

  #lockTrial(): LockTrial {
    const nowMs = this.#clock.now() + Math.max(0, this.clockSkewMs ?? 0)
    const make = (text: string) => this.#object(text)
    return { store: this.#store, folder: this.#folder, nowMs, make, signal: this.#signal }
  }

  /** Also after an abort: what we made is ours to remove. */
  async cleanUp(): Promise<void> {
    for (const key of this.#made) {
      try {
        await this.#store.delete(key)
      } catch (error) {
        if (!isFailure(error)) throw error
        this.left.push(key)
      }
    }
    if (!this.#locks) return
    try {
      this.left.push(...(await removeTrialVersions(this.#lockTrial())))
    } catch (error) {
      if (!isFailure(error)) throw error
    }
  }

  async #check(name: ProbeCheckName, run: () => Promise<Verdict>): Promise<Verdict> {
    const verdict = await this.#verdictOf(name, run)
    this.checks.push({ name, ...verdict })
    return verdict
  }

  async #verdictOf(name: ProbeCheckName, run: () => Promise<Verdict>): Promise<Verdict> {
    try {
      return await run()
    } catch (error) {
      if (!isFailure(error) || error.code === 'interrupted') throw error
      if (error.code === 'store-refused' || error.code === 'refused') {
        return { outcome: 'not-permitted', words: wordsOf(error) }
      }
      // Nothing can be said about a store that one cannot get at.
      const beyond = error.retryable || error.code === 'repository-missing'
      if (name === 'put' && beyond) throw error
      return { outcome: beyond ? 'failed' : 'broken', words: wordsOf(error) }
    }
  }

  async #put(key: string, object: NewObject): Promise<Verdict> {
    this.#made.add(key)
    await this.#store.put(key, object, { signal: this.#signal, replace: true })
    return ok('it takes objects')
  }

  async #createTwice(): Promise<Verdict> {
    if (!this.#store.features.createIfAbsent) return missing('it is told to look before it writes')
    const key = `${this.#folder}b`
    this.#made.add(key)
    try {
      await this.#store.put(key, this.#object('created'), { signal: this.#signal })
    } catch (error) {
      // It takes objects, but not with the condition: it does not know the condition.
      if (isFailure(error, 'store-refused')) return missing(wordsOf(error))
      throw error
    }
    try {
      await this.#store.put(key, this.#object('again'), { signal: this.#signal })
    } catch (error) {
      if (isFailure(error, 'object-exists')) return ok('it does not create what exists')
      throw error
    }
    return missing('it overwrote an object that it was asked only to create')
  }

  async #race(): Promise<Verdict> {
    if (!this.#store.features.createIfAbsent) return missing('it is told to look before it writes')
    const key = `${this.#folder}c`
    this.#made.add(key)
    const puts = Array.from({ length: racers }, (_, n) =>
      this.#store.put(key, this.#object(`racer ${n}`), { signal: this.#signal }),
    )
    const results = await Promise.allSettled(puts)
    const errors = results
      .filter(result => result.status === 'rejected')
      .map(result => result.reason)
    const other = errors.find(error => !isFailure(error, 'object-exists'))
    if (isFailure(other, 'store-refused')) return missing(wordsOf(other))
    if (other !== undefined) throw other
    const winners = racers - errors.length
    if (winners === 1) return ok(`of ${racers} that created one key at once, one won`)
    return missing(`of ${racers} that created one key at once, ${winners} were told that they won`)
  }

  async #expect(key: string, object: NewObject, words: string): Promise<Verdict> {
    const bytes = await this.#store.get(key, { signal: this.#signal })
    if (equalBytes(bytes, object.bytes)) return ok(words)
    return broken('it gives other bytes than were written')
  }

  async #ranges(key: string, { bytes }: NewObject): Promise<Verdict> {
    for (const [start, end] of [
      [0, 1],
      [100, 1000],
      [bytes.length - 1, bytes.length],
    ] as const) {
      const range = { start, end }
      const part = await this.#store.get(key, { signal: this.#signal, range })
      if (!equalBytes(part, bytes.subarray(start, end)))
        return broken('a range gives the wrong bytes')
    }
    try {
      const range = { start: bytes.length - 5, end: bytes.length + 5 }
      await this.#store.get(key, { signal: this.#signal, range })
    } catch (error) {
      if (isFailure(error, 'corrupt'))
        return ok('it reads parts of objects, and says where they end')
      throw error
    }
    return broken('it gave bytes from beyond the end')
  }

  async #list(): Promise<Verdict> {
    const found = new Set<string>()
    for await (const object of this.#store.list(this.#folder, { signal: this.#signal })) {
      found.add(object.key)
    }
    const wanted = await this.#present()
    const lacking = wanted.filter(key => !found.has(key))
    if (lacking.length === 0) return ok('what is written is listed at once')
    return broken(`${lacking.length} of ${wanted.length} objects just written are not listed`)
  }

  // A conditional put that the store refused left nothing to list.
  async #present(): Promise<string[]> {
    const keys: string[] = []
    for (const key of this.#made) {
      try {
        await this.#store.size(key, { signal: this.#signal })
        keys.push(key)
      } catch (error) {
        if (!isFailure(error, 'object-missing')) throw error
      }
    }
    return keys
  }

  async #overwrite(key: string, readable: boolean): Promise<Verdict> {
    const second = this.#object('second')
    await this.#put(key, second)
    if (!readable) return ok('it takes other bytes for the same key; they could not be read back')
    return await this.#expect(key, second, 'an overwritten object is read as it is now')
  }

  async #delete(key: string, readable: boolean): Promise<Verdict> {
    const unchecked = ok('it says that it deletes; that could not be checked')
    await this.#store.delete(key, { signal: this.#signal })
    if (!readable) return unchecked
    try {
      await this.#store.get(key, { signal: this.#signal })
    } catch (error) {
      // What S3 says of absent objects to those who may list only a part of the bucket.
      if (isFailure(error, 'store-refused')) return unchecked
      if (!isFailure(error, 'object-missing')) throw error
      this.#made.delete(key)
      return ok('what is deleted is gone')
    }
    return broken('it says that it deleted an object, and still gives it')
  }

  /** Of a name that nobody has: it is the right that is asked for, and nothing goes. */
  async #deleteElsewhere(): Promise<Verdict> {
    await this.#store.delete(`segments/${this.#folder}a`, { signal: this.#signal })
    return ok('it deletes also what is not of the trial')
  }

  async #compareClocks(): Promise<Verdict> {
    const before = this.#clock.now()
    const theirs = await this.#store.clock({ signal: this.#signal })
    if (theirs === undefined) return ok('it has no clock of its own')
    const skew = theirs - (before + this.#clock.now()) / 2
    this.clockSkewMs = Math.round(skew)
    const words = `its clock is ${formatDuration(Math.abs(skew))} ${skew < 0 ? 'behind' : 'ahead of'} ours`
    // An HTTP date has whole seconds.
    if (Math.abs(skew) < 2000) return ok('its clock agrees with ours')
    return Math.abs(skew) > badSkewMs ? broken(`${words}; set the clock`) : ok(words)
  }

  #object(text: string): NewObject {
    const bytes = concatBytes([encodeUtf8(`btrvault probe: ${text}\n`), randomBytes(1500)])
    const sha256 = new Uint8Array(createHash('sha256').update(bytes).digest())
    return { bytes, sha256, crc32: crc32(bytes) }
  }
}

function ok(words: string): Verdict {
  return { outcome: 'ok', words }
}

function missing(words: string): Verdict {
  return { outcome: 'missing', words }
}

function broken(words: string): Verdict {
  return { outcome: 'broken', words }
}

function wordsOf(failure: Failure): string {
  return failure.hint === undefined ? failure.message : `${failure.message}; ${failure.hint}`
}
