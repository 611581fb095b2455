// Every kind of stored object is damaged in every kind of place, once each; a restore refuses it
// before anything that is not the true stream reaches `btrfs receive` (L6), and says which it was.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import type { MemoryStore } from '../../src/store/memory.ts'
import { objectOf } from '../support/objects.ts'
import type { Received } from './fake-btrfs.ts'
import { Stand } from './stand.ts'

/** Backups 1, 2 and 3, a chain; another repository with another series, signed by another key. */
let stand: Stand
let other: Stand
/** What receive gets for each of the three when nothing is damaged. */
let truth: readonly Received[]

before(async () => {
  stand = await chainOfThree()
  other = await chainOfThree()
  const whole = stand.fork()
  await whole.restore()
  truth = whole.received
  whole.remove()
  assert.deepEqual(
    truth.map(({ ended }) => ended),
    [true, true, true],
  )
})

after(() => {
  stand.remove()
  other.remove()
})

async function chainOfThree(): Promise<Stand> {
  const made = await Stand.make()
  for (let n = 0; n < 3; n += 1) {
    assert.equal((await made.backup()).exitStatus, 0)
    made.btrfs.change(made.source)
  }
  return made
}

type Bytes = Uint8Array<ArrayBuffer>
type Mutant = readonly [string, Bytes | undefined]

const kinds = {
  'repository.json': /^repository\.json$/,
  manifest: /^manifests\/.*\.json$/,
  signature: /^manifests\/.*\.sig$/,
  index: /^indexes\//,
  'first segment': /^segments\/.*\/00000000-/,
  'last segment': /^segments\/.*\/00000001-/,
} as const

describe('L6: a restore from a repository with', () => {
  for (const [kind, pattern] of Object.entries(kinds)) {
    it(`one damaged ${kind} refuses it, passes nothing but true bytes on, and names it`, async () => {
      const key = keysLike(stand, pattern).at(-1) as string
      const mutants = mutantsOf(key, pattern)
      assert.ok(mutants.length >= 10, `only ${mutants.length} mutants`)
      for (const [n, [what, bytes]] of mutants.entries()) {
        const damaged = damage(stand, key, bytes)
        try {
          await refuses(damaged, key, `${kind}, ${what}`)
          // Each opens every object of every backup: a part of them is enough here.
          if (n % 5 === 0 || n === mutants.length - 1) await isFound(damaged, key, what)
        } finally {
          damaged.remove()
        }
      }
    })

    if (kind === 'repository.json') continue
    it(`one damaged ${kind} still gives back the backups that do not need it`, async () => {
      const key = keysLike(stand, pattern).at(-1) as string
      const damaged = damage(stand, key, flipped(objectAt(stand, key), 100))
      const report = await damaged.restore({ id: 2 })
      assert.deepEqual(report.chain, [1, 2])
      assert.deepEqual(damaged.received, truth.slice(0, 2))
      damaged.remove()
    })
  }

  it('the manifest and signature of an older backup under a newer number trusts neither', async () => {
    const [, second, third] = keysLike(stand, kinds.manifest) as [string, string, string]
    const damaged = stand.fork({ forgetful: true })
    for (const ending of ['', '.sig']) {
      await replace(damaged, third + ending, objectAt(stand, second + ending))
    }
    const error = await damaged.restore({ id: 3 }).catch((reason: unknown) => reason)
    assert.ok(isFailure(error, 'object-missing'), String(error))
    assert.match(JSON.stringify(damaged.events), /belongs under another name/)
    assert.deepEqual(damaged.received, [])
    damaged.remove()
  })

  it('the manifest and signature of another repository, signed by a key nobody allowed, trusts neither', async () => {
    const third = keysLike(stand, kinds.manifest).at(-1) as string
    const foreign = keysLike(other, kinds.manifest).at(-1) as string
    const damaged = stand.fork({ forgetful: true })
    for (const ending of ['', '.sig']) {
      await replace(damaged, third + ending, objectAt(other, foreign + ending))
    }
    const error = await damaged.restore({ id: 3 }).catch((reason: unknown) => reason)
    assert.ok(isFailure(error, 'object-missing'), String(error))
    assert.match(JSON.stringify(damaged.events), /cannot trust|not signed|no key/i)
    assert.deepEqual(damaged.received, [])
    damaged.remove()
  })
})

async function refuses(damaged: Stand, key: string, what: string): Promise<void> {
  const outcome = await damaged.restore({ id: 3 }).catch((error: unknown) => error)
  assert.ok(isFailure(outcome), `${what}: was restored, or a bug: ${String(outcome)}`)
  assert.ok(
    ['corrupt', 'untrusted', 'object-missing', 'repository-missing'].includes(outcome.code),
    `${what}: ${outcome.code} ${outcome.message}`,
  )
  const said = `${outcome.message} ${JSON.stringify(damaged.events)}`
  assert.ok(isNamed(key, said), `${what}: ${said} does not name ${key}`)
  checkReceived(damaged.received, what)
  assert.deepEqual(await damaged.btrfs.listIn(damaged.target), [], `${what}: something was shown`)
}

/** Verify finds it too, and says which object it is. */
async function isFound(damaged: Stand, key: string, what: string): Promise<void> {
  const report = await damaged.verify()
  const text = JSON.stringify(report)
  if (what === 'missing' && key.endsWith('.json') && key !== 'repository.json') {
    // Without a memory of it, the newest backup was never committed, or was: nobody can tell.
    assert.match(text, /"unnamed":\{"count":3/)
    return
  }
  assert.ok([40, 31, 10, 3].includes(report.exitStatus), `${what}: ${report.exitStatus}: ${text}`)
  const isTold = isNamed(key, text) || /"backup":3|"absent":\["home"\]/.test(text)
  assert.ok(isTold, `${what}: verify said ${text}`)
}

/** Links before the last may be whole; the last is cut off before its END. */
function checkReceived(received: readonly Received[], what: string): void {
  for (const [n, { bytes, ended }] of received.entries()) {
    const whole = truth[n]?.bytes as Bytes
    const isPrefix = Buffer.from(bytes).equals(whole.subarray(0, bytes.length))
    assert.ok(isPrefix, `${what}: bytes that are not of the true stream were passed on`)
    if (n < 2) continue
    assert.ok(bytes.length < whole.length && !ended, `${what}: a damaged stream was ended`)
  }
}

/** By its key, or by what a person calls it: a manifest or its signature by the backup's number. */
function isNamed(key: string, said: string): boolean {
  if (key === 'repository.json') {
    return said.includes(key) || /no repository is there|belongs to another repository/.test(said)
  }
  const name = key.split('/').at(-1) as string
  const isManifest = key.startsWith('manifests/')
  return said.includes(name) || (isManifest && /manifest 3|backup 3/.test(said))
}

function mutantsOf(key: string, pattern: RegExp): Mutant[] {
  const bytes = objectAt(stand, key)
  const older = objectAt(stand, keysLike(stand, pattern).at(-2) ?? key)
  const foreign = objectAt(other, keysLike(other, pattern).at(-1) as string)
  // Line ends of an armoured signature say nothing: another white space means the same.
  const places = placesIn(bytes).filter(([, at]) => bytes[at] !== 0x0a)
  const flips: Mutant[] = places.map(([place, at]) => [place, flipped(bytes, at)])
  const others: Mutant[] = [
    ['missing', undefined],
    ['empty', new Uint8Array(0)],
    ['one byte short', bytes.slice(0, -1)],
    ['half', bytes.slice(0, bytes.length / 2)],
    ['one byte more', joined(bytes, new Uint8Array(1))],
    ['64 KiB more', joined(bytes, new Uint8Array(65_536))],
    ['twice', joined(bytes, bytes)],
    ['zeroed', new Uint8Array(bytes.length)],
    ['another repository’s', foreign],
  ]
  if (Buffer.compare(older, bytes) !== 0) others.push(['an older backup’s', older])
  // The last line end of an armoured signature, and blanks after JSON, mean nothing either.
  const harmless = key.endsWith('.sig') || key === 'repository.json' ? ['one byte short'] : []
  return [...flips, ...others].filter(([what]) => !harmless.includes(what))
}

/** Each class of bytes: of an age file its header, nonce, chunks, tags and end; else all over. */
function placesIn(bytes: Bytes): [string, number][] {
  const text = Buffer.from(bytes).toString('latin1')
  const mac = text.indexOf('\n---')
  if (!text.startsWith('age-encryption.org/v1\n') || mac < 0) {
    if (text.includes('btrvault-repository')) return repositoryPlaces(text)
    const count = Math.min(bytes.length, 40)
    return Array.from({ length: count }, (_, n) => {
      const at = Math.floor((n * (bytes.length - 1)) / (count - 1))
      return [`flip: byte ${at}`, at]
    })
  }
  const nonce = text.indexOf('\n', mac + 1) + 1
  const chunk = 65_536 + 16
  const first = nonce + 16
  const lastChunk = first + Math.floor((bytes.length - first - 1) / chunk) * chunk
  const places: [string, number][] = [
    ['flip: version line', 3],
    ['flip: stanza type', text.indexOf('->') + 3],
    ['flip: stanza argument', text.indexOf('X25519') + 8],
    ['flip: stanza body', text.indexOf('\n', text.indexOf('X25519')) + 1],
    ['flip: header mac', mac + 6],
    ['flip: nonce', nonce],
    ['flip: nonce end', nonce + 15],
    ['flip: first chunk', first],
    ['flip: last chunk', lastChunk],
    ['flip: last chunk’s tag', bytes.length - 16],
    ['flip: last byte', bytes.length - 1],
  ]
  for (let at = first + chunk; at <= lastChunk; at += chunk * 3) {
    places.push([`flip: tag before ${at}`, at - 8], [`flip: chunk at ${at}`, at])
  }
  return places
}

function repositoryPlaces(text: string): [string, number][] {
  return [
    ['flip: brace', 0],
    ['flip: format', text.indexOf('btrvault-')],
    ['flip: id', text.indexOf('"id"') + 10],
    ['flip: name of a member', text.indexOf('createdAt')],
  ]
}

function flipped(bytes: Bytes, at: number): Bytes {
  const copy = bytes.slice()
  copy[at % copy.length] = (copy[at % copy.length] as number) ^ 0x01
  return copy
}

function joined(a: Bytes, b: Bytes): Bytes {
  return new Uint8Array(Buffer.concat([a, b]))
}

function keysLike({ store }: Stand, pattern: RegExp): string[] {
  // By the order in which they were stored, so that the last is the newest backup's.
  return [...(store as MemoryStore).objects.keys()].filter(key => pattern.test(key))
}

function objectAt({ store }: Stand, key: string): Bytes {
  return (store as MemoryStore).objects.get(key) as Bytes
}

function damage(whole: Stand, key: string, bytes: Bytes | undefined): Stand {
  // No memory of its own: what the machine has cached does not hide what the store has.
  const damaged = whole.fork({ forgetful: true })
  const store = damaged.store as MemoryStore
  void store.delete(key)
  if (bytes !== undefined) void store.put(key, objectOf(bytes), { replace: true })
  return damaged
}

async function replace({ store }: Stand, key: string, bytes: Bytes): Promise<void> {
  await (store as MemoryStore).put(key, objectOf(bytes), { replace: true })
}
