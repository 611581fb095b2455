// What a read-only snapshot on this machine looks like, as the kernel itself lists it: a full send
// of it without file data, replayed. It needs no tool for xattrs, ACLs or capabilities.

import { frameSize } from '../../pack/frame.ts'
import { StreamReader } from '../../pack/stream-reader.ts'
import { TreeReplay } from '../../stream/replay.ts'
import type { Tree } from '../../stream/tree.ts'
import type { Context } from '../shared/context.ts'

export async function actualTree(context: Context, snapshot: string): Promise<Tree> {
  const { btrfs, signal } = context
  const { protocol } = await btrfs.versions({ signal })
  const reader = await StreamReader.open({
    frameSize,
    segmentSize: frameSize,
    expect: { noData: true },
    signal,
  })
  const giveUp = new AbortController()
  try {
    const any = AbortSignal.any([signal, giveUp.signal])
    const output = reader.writeFd
    const send = btrfs.startSend({ snapshot, protocol, noData: true, output, signal: any })
    reader.producerStarted()
    try {
      const replay = new TreeReplay({ payload: 'included' })
      for await (const { bytes } of reader.frames()) replay.write(bytes)
      await send.done
      return replay.finish()
    } finally {
      giveUp.abort()
      await send.done.catch(() => {})
    }
  } finally {
    await reader.close()
  }
}
