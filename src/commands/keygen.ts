// Makes an age identity, the one thing without which no backup can be read.

import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { syncFolder } from '../base/atomic-file.ts'
import { Failure, systemCodeOf } from '../base/failure.ts'
import { generateIdentity } from '../pack/identities.ts'
import { type Context, nowOf } from './shared/context.ts'

export interface KeygenOptions {
  /** Where the identity goes; must not exist. */
  readonly out: string
  /** X25519 instead of the post-quantum hybrid. */
  readonly classic: boolean
  readonly dryRun: boolean
}

export interface KeygenReport {
  readonly file: string
  /** Null in a dry run. */
  readonly recipient: string | null
  readonly kind: 'hybrid' | 'x25519'
}

export async function keygen(context: Context, options: KeygenOptions): Promise<KeygenReport> {
  const { classic } = options
  const file = resolve(options.out)
  const kind = classic ? 'x25519' : 'hybrid'
  if (options.dryRun) return { file, recipient: null, kind }
  const { identityText, recipient } = await generateIdentity({ classic, created: nowOf(context) })
  await writeNewSecret(file, identityText)
  return { file, recipient, kind }
}

/** Creates the file with mode 0600, durably. Failure 'usage' when it exists: no key is overwritten. */
export async function writeNewSecret(file: string, text: string): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await syncFolder(resolve(file, '..'))
  } catch (cause) {
    const code = systemCodeOf(cause)
    if (code === undefined) throw cause
    const why =
      code === 'EEXIST'
        ? 'it exists already'
        : code === 'ENOENT'
          ? 'its folder does not exist'
          : `the system says ${code}`
    throw new Failure('usage', `cannot write key ${file}: ${why}`, {
      hint: code === 'EEXIST' ? 'keys are never overwritten: choose another name' : undefined,
      cause,
    })
  }
}
