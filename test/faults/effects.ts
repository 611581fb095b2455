// Numbers every effect that a run has on the world (store calls, calls of btrfs, writes below the
// state folder) and cuts the run at one of them: by an error, by everything failing from there on,
// or by killing the process.

// Numbers every effect that a run has on the world (store calls, calls of btrfs, writes below the
// state folder) and cuts the run at one of them: by an error, by everything failing from there on,
// or by killing the process.

import fsPromises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { Failure } from '../../src/base/failure.ts'
import type { Btrfs } from '../../src/btrfs/btrfs.ts'
import type { Store } from '../../src/store/store.ts'
import { FaultyStore } from '../support/faulty-store.ts'

export type Where = 'store' | 'file' | 'btrfs'

export interface Effect {
  readonly where: Where
  /** `put manifests/…`, `append journal-disk`. */
  readonly name: string
}

export interface Cut {
  /** Index of the effect, from 0. */
  readonly at: number
  readonly when: 'before' | 'after'
  /** `dead`: this effect and all after it fail. */
  readonly how: 'error' | 'dead' | 'kill'
}

export class Effects {
  readonly seen: Effect[] = []
  readonly #cut: Cut | undefined

  constructor(cut?: Cut) {
    this.#cut = cut
  }

  /** Call it before an effect; do what it says. */
  next(where: Where, name: string): 'pass' | 'fail-before' | 'fail-after' | 'kill-after' {
    const index = this.seen.length
    this.seen.push({ where, name })
    const cut = this.#cut
    if (cut === undefined || index < cut.at) return 'pass'
    if (cut.how === 'dead') return 'fail-before'
    if (index > cut.at) return 'pass'
    if (cut.how === 'kill' && cut.when === 'before') die()
    if (cut.how === 'kill') return 'kill-after'
    return cut.when === 'before' ? 'fail-before' : 'fail-after'
  }

  /** Whether the run got as far as the cut. */
  get wasCut(): boolean {
    return this.#cut !== undefined && this.seen.length > this.#cut.at
  }

  store(inner: Store): Store {
    return new FaultyStore(inner, {
      onCall: ({ operation, key }) => {
        const what = this.next('store', `${operation} ${key}`)
        if (what === 'pass') return undefined
        if (what === 'kill-after') return { kind: 'run', when: 'after', run: die }
        return { kind: what }
      },
    })
  }

  btrfs(inner: Btrfs): Btrfs {
    const get = (target: Btrfs, name: keyof Btrfs) => {
      const method = target[name] as (...args: unknown[]) => unknown
      if (name === 'startSend') return this.#startSend(target)
      if (typeof method !== 'function' || name === 'startReceive') return method
      return async (...args: unknown[]) => {
        const what = this.next('btrfs', name)
        const failure = new Failure('btrfs-failed', `cannot ${name}: a fault that a test ordered`)
        if (what === 'fail-before') throw failure
        const result = await method.apply(target, args)
        if (what === 'kill-after') die()
        if (what === 'fail-after') throw failure
        return result
      }
    }
    return new Proxy(inner, { get: (target, name) => get(target, name as keyof Btrfs) })
  }

  #startSend(target: Btrfs): Btrfs['startSend'] {
    return call => {
      const what = this.next('btrfs', 'startSend')
      if (what === 'pass' || what === 'kill-after') {
        const running = target.startSend(call)
        if (what === 'kill-after') die()
        return running
      }
      const failure = new Failure('send-failed', 'cannot send: a fault that a test ordered')
      const ended =
        what === 'fail-before' ? Promise.resolve() : target.startSend(call).done.catch(() => {})
      const done = ended.then(() => {
        throw failure
      })
      done.catch(() => {})
      return { argv: [], done }
    }
  }

  /** Counts, and cuts at, what happens to files below `folder`, until the result is disposed of. */
  files(folder: string): Disposable {
    patch()
    watched.set(folder, this)
    return { [Symbol.dispose]: () => void watched.delete(folder) }
  }
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal comes at once to this thread; nothing below is ever run.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
}

// Module state, for what is patched is one for the whole process.
const watched = new Map<string, Effects>()
const paths = new WeakMap<object, string>()
let isPatched = false

type Call = (...args: never[]) => Promise<unknown>

/** Named imports of node:fs/promises are live: they follow what is put into the module's object. */
function patch(): void {
  if (isPatched) return
  isPatched = true
  const module = fsPromises as unknown as Record<string, Call>
  for (const name of ['rename', 'rm', 'open'] as const) {
    const original = module[name] as Call
    module[name] = async (...args: never[]) => {
      const path = String(args[0])
      const isReading = name === 'open' && (args[1] === undefined || args[1] === 'r')
      const result = isReading
        ? await original(...args)
        : await affect({ name, path }, () => original(...args))
      if (name === 'open') follow(result as FileHandle, path)
      return result
    }
  }
  syncBuiltinESMExports()
}

let isPrototypePatched = false

function follow(handle: FileHandle, path: string): void {
  paths.set(handle, path)
  if (isPrototypePatched) return
  isPrototypePatched = true
  const prototype = Object.getPrototypeOf(handle) as Record<string, Call>
  for (const name of ['writeFile', 'appendFile', 'sync', 'datasync', 'truncate'] as const) {
    const original = prototype[name] as Call
    prototype[name] = async function (this: FileHandle, ...args: never[]) {
      const path = paths.get(this) ?? ''
      const torn = async () => {
        const text = String(args[0])
        await original.apply(this, [text.slice(0, text.length / 2) as never])
      }
      const isText = name === 'appendFile' || name === 'writeFile'
      const call = () => original.apply(this, args)
      return await affect({ name, path }, call, isText ? torn : undefined)
    }
  }
}

/** A write that fails leaves half of itself behind, as on a disk that is full. */
async function affect(
  { name, path }: { readonly name: string; readonly path: string },
  call: () => Promise<unknown>,
  torn?: () => Promise<void>,
): Promise<unknown> {
  const effects = [...watched].find(([folder]) => path.startsWith(`${folder}/`))?.[1]
  const what = effects?.next('file', `${name} ${nameOf(path)}`) ?? 'pass'
  if (what === 'fail-before') {
    await torn?.()
    throw noSpace(path)
  }
  const result = await call()
  if (what === 'kill-after') die()
  if (what === 'fail-after') throw noSpace(path)
  return result
}

function nameOf(path: string): string {
  return path.split('/').slice(-2).join('/')
}

function noSpace(path: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, write '${path}'`), {
    code: 'ENOSPC',
    errno: -28,
    syscall: 'write',
  })
}
