// RESTORE.md is kept that of the newest version that wrote there.

import { sha256Of } from '../../catalog/catalog.ts'
import { loadRemoteMemory, storeRemoteMemory } from '../../catalog/local-state.ts'
import { keepGuideCurrent, putGuide } from '../../catalog/repository.ts'
import { restoreGuide } from '../../format/restore-guide.ts'
import type { OpenedRemote } from '../shared/remotes.ts'
import type { LookSession } from './send.ts'

/** Where nobody may look, this machine remembers what it put last. */
export async function keepGuide(
  { context, config }: Pick<LookSession, 'context' | 'config'>,
  { repository, isWriteOnly, config: { name } }: OpenedRemote,
): Promise<void> {
  const text = restoreGuide()
  const { signal } = context
  if (!isWriteOnly) {
    await keepGuideCurrent(repository.store, text, { signal })
    return
  }
  const memory = await loadRemoteMemory(config.state, name)
  const guide = sha256Of(Buffer.from(text))
  if (memory === undefined || memory.guide === guide) return
  await putGuide(repository.store, text, { signal })
  await storeRemoteMemory(config.state, name, { ...memory, guide })
}
