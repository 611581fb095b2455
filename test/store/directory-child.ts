// The process that directory-crash.test.ts watches and breaks: writes three objects to the target
// of its first argument, and says on standard output what was acknowledged.

import { writeSync } from 'node:fs'
import { isFailure } from '../../src/base/failure.ts'
import { openDirectoryStore } from '../../src/store/directory/open-directory-store.ts'
import { objectOf, patternBytes } from '../support/objects.ts'

const [, , path = '', verb = 'put'] = process.argv
const store = await openDirectoryStore({ path })
say(`createIfAbsent ${store.features.createIfAbsent}`)
for (const [n, folder] of ['segments/x', 'segments/x', 'manifests/y'].entries()) {
  const object = objectOf(patternBytes(1_500_000, n + 1))
  const key = `${folder}/${Buffer.from(object.sha256).toString('hex')}`
  const replace = verb === 'replace'
  await tell(key, async () => {
    await store.put(key, object, { replace })
    if (verb === 'delete') await store.delete(key)
    else say(`put ${key}`)
  })
  if (n === 0 && verb === 'put') await tell('again', () => store.put(key, object))
}
await store.close()
say('end')

async function tell(what: string, call: () => Promise<void>): Promise<void> {
  try {
    await call()
  } catch (error) {
    say(`${what} ${isFailure(error) ? error.code : String(error)}`)
  }
}

// At once: a line that waits in a buffer when the process is killed would be no acknowledgement.
function say(line: string): void {
  writeSync(1, `${line}\n`)
}
