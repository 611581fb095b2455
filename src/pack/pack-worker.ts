// The body of a pack thread: one request in, one reply out.

import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { releaseBytes } from '../base/bytes.ts'
import { packFrame } from './frame.ts'
import { openFrames } from './open.ts'
import { sealObject } from './seal.ts'
import {
  type CompressRequest,
  type Envelope,
  failureMessage,
  type HashRequest,
  type PackReplies,
  type PackRequest,
} from './worker-protocol.ts'

type Reply = PackReplies[keyof PackReplies]

parentPort?.on('message', (request: Envelope<PackRequest>) => {
  void answer(request)
})

async function answer({ id, body }: Envelope<PackRequest>): Promise<void> {
  try {
    const reply = await replyTo(body)
    parentPort?.postMessage({ id, body: reply }, buffersOf(reply))
  } catch (error) {
    parentPort?.postMessage({ id, body: failureMessage(error) })
  }
}

async function replyTo(request: PackRequest): Promise<Reply> {
  switch (request.kind) {
    case 'compress':
      return compress(request)
    case 'seal':
      return sealObject(request)
    case 'hash':
      return hash(request)
    case 'open': {
      const reply = openFrames(request)
      releaseBytes(request.sealed)
      return reply
    }
  }
}

function compress({ raw, ...options }: CompressRequest): PackReplies['compress'] {
  const frame = packFrame(raw, options)
  return { kind: 'compressed', frame, spent: frame.bytes === raw ? undefined : raw }
}

function hash({ pieces }: HashRequest): PackReplies['hash'] {
  const hasher = createHash('sha256')
  for (const piece of pieces) hasher.update(piece)
  return { kind: 'hashed', pieces, sha256: new Uint8Array(hasher.digest()) }
}

function buffersOf(reply: Reply): ArrayBuffer[] {
  switch (reply.kind) {
    case 'compressed':
      return [reply.frame.bytes.buffer, ...(reply.spent ? [reply.spent.buffer] : [])]
    case 'sealed':
      return [reply.bytes.buffer]
    case 'hashed':
      return reply.pieces.map(({ buffer }) => buffer)
    case 'opened':
      return [reply.raw.buffer]
  }
}
