import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openDirectoryStore } from '../../src/store/directory/open-directory-store.ts'
import { initDirectoryTarget, targetFileName } from '../../src/store/directory/target.ts'
import type { Store } from '../../src/store/store.ts'
import { objectOf, patternBytes } from '../support/objects.ts'
import { code, listAll, storeKeepsItsContract } from './contract.ts'

const folders: string[] = []

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'btrvault-test-directory-'))
  folders.push(folder)
  return folder
}

async function freshStore(): Promise<Store> {
  const path = freshFolder()
  await initDirectoryTarget(path)
  return await openDirectoryStore({ path })
}

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

storeKeepsItsContract('the directory store', freshStore)

describe('initDirectoryTarget()', () => {
  it('makes the directory, and a second time returns the same identity', async () => {
    const path = join(freshFolder(), 'backups')
    const target = await initDirectoryTarget(path)
    assert.match(target.id, /^[0-9a-f-]{36}$/)
    assert.notEqual(target.filesystem.type, 'unknown')
    assert.deepEqual(await initDirectoryTarget(path), target)
  })

  it('does not make parents: they may be a mount point without its disk', async () => {
    const path = join(freshFolder(), 'mnt/usb/backups')
    await assert.rejects(initDirectoryTarget(path), code('repository-missing'))
  })

  it("refuses a directory with other people's things in it", async () => {
    const path = freshFolder()
    mkdirSync(join(path, 'lost+found'))
    writeFileSync(join(path, 'thesis.odt'), 'x')
    await assert.rejects(initDirectoryTarget(path), code('refused'))
    rmSync(join(path, 'thesis.odt'))
    await initDirectoryTarget(path)
  })
})

describe('openDirectoryStore()', () => {
  it('refuses a directory without a target file, and one that is not there', async () => {
    const path = freshFolder()
    await assert.rejects(openDirectoryStore({ path }), code('repository-missing'))
    await assert.rejects(openDirectoryStore({ path: join(path, 'no') }), code('repository-missing'))
    assert.deepEqual(readdirSync(path), [])
  })

  it('refuses a target file that is damaged or of a newer version', async () => {
    for (const content of ['', '{', '[]', '{"format":1}', '{"format":2,"id":"x","created":"y"}']) {
      const path = freshFolder()
      writeFileSync(join(path, targetFileName), content)
      await assert.rejects(openDirectoryStore({ path }), code('refused'), content)
    }
  })

  it('leaves no trace when it is only read', async () => {
    const path = freshFolder()
    await initDirectoryTarget(path)
    const store = await openDirectoryStore({ path, readOnly: true })
    await assert.rejects(store.get('absent'), code('object-missing'))
    await store.close()
    assert.deepEqual(readdirSync(path), [targetFileName])
  })

  it('collects temporary files of dead runs, and leaves those of live ones', async () => {
    const path = freshFolder()
    await initDirectoryTarget(path)
    await (await openDirectoryStore({ path })).close()
    const folder = join(path, '.btrvault-tmp')
    for (const name of ['old', 'young']) writeFileSync(join(folder, name), 'half')
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400
    utimesSync(join(folder, 'old'), twoDaysAgo, twoDaysAgo)
    const store = await openDirectoryStore({ path })
    assert.deepEqual(readdirSync(folder), ['young'])
    assert.deepEqual(await listAll(store, ''), [])
    await store.close()
  })
})

describe('the directory store', () => {
  it('leaves no temporary file behind, also when a put fails', async () => {
    const store = await freshStore()
    await store.put('a/b', objectOf('x'))
    await assert.rejects(store.put('a/b', objectOf('y')), code('object-exists'))
    const signal = AbortSignal.timeout(3)
    const pace = async () => await new Promise<void>(resolve => setTimeout(resolve, 10))
    await assert.rejects(
      store.put('a/c', objectOf(patternBytes(3 << 20)), { signal, pace }),
      code('interrupted'),
    )
    assert.deepEqual(readdirSync(join(store.address, '.btrvault-tmp')), [])
    await store.close()
  })

  it('goes on in the directory that it opened when another one takes its path', async () => {
    const store = await freshStore()
    await rename(store.address, `${store.address}.moved`)
    folders.push(`${store.address}.moved`)
    mkdirSync(store.address)
    await store.put('a', objectOf('a'))
    assert.deepEqual(readdirSync(store.address), [])
    assert.deepEqual(await listAll(store, ''), [{ key: 'a', bytes: 1 }])
    await store.close()
  })

  it('does not call a deleted or emptied target an empty repository (L9)', async () => {
    const store = await freshStore()
    await store.put('manifests/a', objectOf('a'))
    rmSync(store.address, { recursive: true })
    await assert.rejects(listAll(store, ''), code('repository-missing'))
    await assert.rejects(store.put('b', objectOf('b')), code('repository-missing'))
    await store.close()
  })

  it('neither lists nor follows symbolic links, pipes and foreign names', async () => {
    const store = await freshStore()
    symlinkSync('/etc/passwd', join(store.address, 'link'))
    symlinkSync('/etc', join(store.address, 'folder'))
    execFileSync('mkfifo', [join(store.address, 'pipe')])
    writeFileSync(join(store.address, 'a b'), 'x')
    writeFileSync(join(store.address, '.hidden'), 'x')
    assert.deepEqual(await listAll(store, ''), [])
    await assert.rejects(store.get('link'), code('store-refused'))
    await assert.rejects(store.get('pipe'), code('object-missing'))
    await store.close()
  })

  it('two that delete and create in the same folder do not trip over each other', async () => {
    const store = await freshStore()
    const other = await openDirectoryStore({ path: store.address })
    const turns = async (mine: Store, name: string) => {
      for (let n = 0; n < 50; n += 1) {
        await mine.put(`a/b/c/${name}`, objectOf('x'))
        await mine.delete(`a/b/c/${name}`)
      }
    }
    await Promise.all([turns(store, 'one'), turns(other, 'two')])
    assert.deepEqual(readdirSync(store.address).sort(), ['.btrvault-target', '.btrvault-tmp'])
    await store.close()
    await other.close()
  })
})

describe('the directory store on a small file system', () => {
  const mount = freshFolder()
  before(() => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount])
  })
  after(() => {
    execFileSync('umount', ['-l', mount])
  })

  it('says no-space when it is full, leaves nothing half, and goes on when there is room', async () => {
    await initDirectoryTarget(join(mount, 'target'))
    const store = await openDirectoryStore({ path: join(mount, 'target') })
    await store.put('first', objectOf(patternBytes(1_200_000)))
    await assert.rejects(store.put('second', objectOf(patternBytes(1_200_000))), code('no-space'))
    assert.deepEqual(await listAll(store, ''), [{ key: 'first', bytes: 1_200_000 }])
    await store.delete('first')
    await store.put('second', objectOf(patternBytes(1_200_000)))
    await store.close()
  })

  it('keeps its disk mounted while it is open', async () => {
    const store = await openDirectoryStore({ path: join(mount, 'target') })
    assert.throws(() => execFileSync('umount', [mount], { stdio: 'pipe' }), /busy/)
    await store.close()
  })

  it('says store-refused on a read-only file system, and reads on', async () => {
    execFileSync('mount', ['-o', 'remount,ro', mount])
    try {
      const store = await openDirectoryStore({ path: join(mount, 'target') })
      assert.equal((await store.get('second')).length, 1_200_000)
      await assert.rejects(store.put('third', objectOf('x')), code('store-refused'))
      await assert.rejects(store.delete('second'), code('store-refused'))
      await store.close()
    } finally {
      execFileSync('mount', ['-o', 'remount,rw', mount])
    }
  })
})
