// init on a server that takes `If-None-Match: *` and does not heed it, or does not know it.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import type { Btrfs } from '../../src/btrfs/btrfs.ts'
import { init } from '../../src/commands/init.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { loadConfig } from '../../src/config/load.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { OpenStoreOptions } from '../../src/store/open.ts'
import type { PutOptions, Store } from '../../src/store/store.ts'
import { withCount } from '../../src/store/with-count.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

type Manner = 'heedless' | 'refusing'

/** As the S3 store is over such a server: told of it, put looks before it writes. */
function over(bucket: MemoryStore, manner: Manner, { features }: OpenStoreOptions): Store {
  const createIfAbsent = features?.createIfAbsent ?? true
  const store = Object.create(bucket) as Store
  const put = async (key: string, object: Parameters<Store['put']>[1], options?: PutOptions) => {
    const isConditional = options?.replace !== true && createIfAbsent
    if (isConditional && manner === 'refusing') {
      throw new Failure('store-refused', `cannot put ${key}: no such kind of request`)
    }
    return bucket.put(key, object, isConditional ? { ...options, replace: true } : options)
  }
  const methods = ['get', 'size', 'list', 'delete', 'clock', 'close'] as const
  const bound = methods.map(name => [name, bucket[name].bind(bucket)] as const)
  return Object.assign(store, Object.fromEntries(bound), {
    put,
    address: 'memory',
    features: { createIfAbsent, wants: [] },
  })
}

for (const manner of ['heedless', 'refusing'] as const) {
  test(`init never replaces a repository on a ${manner} server, though this machine forgot it (L5, L8)`, async () => {
    await withScratchFolder(async folder => {
      const bucket = new MemoryStore()
      const text = `state: ${folder}/state
keys:
  signing_key: ${folder}/signing_key
  allowed_signers: ${folder}/allowed_signers
sources: { home: { path: /home, snapshots: /snapshots, remotes: { far: {} } } }
remotes: { far: { s3: { bucket: backups, region: eu-west-3 }, encrypt: none } }
`
      await writeFile(join(folder, 'config.yaml'), text)
      const config = await loadConfig(join(folder, 'config.yaml'))
      const context: Context = {
        clock: { now: () => Date.now(), sleep: async () => {} },
        signal: new AbortController().signal,
        emit: () => {},
        btrfs: {} as Btrfs,
        openStore: async (_, options) => withCount(over(bucket, manner, options)),
        randomBytes: count => new Uint8Array(randomBytes(count)),
        hostname: 'host',
        program: 'btrvault test',
      }
      const options = { config, remotes: [], kit: join(folder, 'kit.md'), dryRun: false }
      const [first] = (await init(context, options)).remotes
      assert.equal(first?.failure, null)
      assert.equal(first?.made, true)
      await rm(join(folder, 'state'), { recursive: true })

      const [again] = (await init(context, options)).remotes
      assert.equal(again?.failure, null)
      assert.equal(again?.made, false)
      assert.equal(again?.repository, first?.repository)
    })
  })
}
