import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { openPipe } from '../../src/base/pipe.ts'
import { StreamWriter } from '../../src/pack/stream-writer.ts'
import type { WriterMessage, WriterRequest, WriterTask } from '../../src/pack/writer-protocol.ts'
import { rawBytes } from './packing.ts'

const MiB = 1024 * 1024

const chunks = Array.from({ length: 6 }, (_, n) => rawBytes(MiB, 0.5, n))
const whole = concatBytes(chunks)
const sha256 = createHash('sha256').update(whole).digest('hex')

describe('StreamWriter', { timeout: 60_000 }, () => {
  it('writes chunks in order, and frees their memory', async () => {
    const { writer, consumer } = await start({ hashed: true })
    const given = chunks.map(chunk => chunk.slice())
    for (const chunk of given) await writer.write(chunk)
    assert.equal(await writer.end(sha256), true)
    assert.ok(equalBytes(await consumer, whole))
    assert.ok(given.every(chunk => chunk.buffer.detached))
    await writer.close()
  })

  it('writes views of a chunk and bytes of their own, and hashes the chunk', async () => {
    const { writer, consumer } = await start({ hashed: true })
    const [first, ...rest] = chunks.map(chunk => chunk.slice())
    assert.ok(first)
    const own = Buffer.from('between')
    await writer.write(first, [first.subarray(0, 10), own, first.subarray(500)])
    for (const chunk of rest) await writer.write(chunk)
    assert.equal(await writer.end(sha256), true)
    const expected = [whole.subarray(0, 10), own, whole.subarray(500)]
    assert.ok(equalBytes(await consumer, concatBytes(expected)))
    await writer.close()
  })

  it('keeps the last chunk back when the hash is not right', async () => {
    const { writer, consumer } = await start({ hashed: true })
    for (const chunk of chunks) await writer.write(chunk.slice())
    assert.equal(await writer.end(sha256.replaceAll('a', 'b')), false)
    assert.equal((await consumer).length, whole.length - MiB)
    await writer.close()
  })

  it('waits for a consumer that is slow', async () => {
    const { writer, readEnd } = await start({ hashed: false, reads: false })
    let written = 0
    const writing = (async () => {
      for (const chunk of chunks) {
        await writer.write(chunk.slice())
        written += 1
      }
    })()
    await delay(300)
    assert.ok(written < 4, `${written} chunks went somewhere`)
    const consumer = readAll(readEnd)
    await writing
    assert.equal(await writer.end(undefined), true)
    assert.ok(equalBytes(await consumer, whole))
    await writer.close()
  })

  it('fails when the consumer is gone', async () => {
    const { writer, readEnd } = await start({ hashed: false, reads: false })
    closeSync(readEnd)
    const writing = (async () => {
      for (const chunk of chunks) await writer.write(chunk.slice())
    })()
    await assert.rejects(writing, error => isFailure(error, 'failed'))
    await writer.close()
  })

  it('leaves the pipe alone once it has closed it, whatever is still on its way to the thread', async () => {
    const { readEnd, writeEnd } = await openPipe()
    closeSync(readEnd)
    const worker = new Worker(new URL('../../src/pack/writer-worker.ts', import.meta.url), {
      workerData: { writeEnd, hashed: false } satisfies WriterTask,
      trackUnmanagedFds: false,
    })
    const said: string[] = []
    worker.on('message', (message: WriterMessage) => said.push(message.kind))
    worker.on('error', error => said.push(String(error)))
    for (const chunk of chunks) {
      worker.postMessage({ kind: 'write', chunk, parts: [[0, 10]] } satisfies WriterRequest)
    }
    worker.postMessage({ kind: 'stop' } satisfies WriterRequest)
    await once(worker, 'exit')
    assert.deepEqual(said, ['taken', 'failed'])
  })

  it('can be closed in the middle of a stream, which then has no end', async () => {
    const { writer, consumer } = await start({ hashed: false })
    await writer.write(chunks[0]?.slice() as Uint8Array<ArrayBuffer>)
    await writer.close()
    assert.equal((await consumer).length, 0)
  })
})

async function start({ hashed, reads = true }: { hashed: boolean; reads?: boolean }) {
  const writer = await StreamWriter.open({ hashed })
  const readEnd = openSync(`/proc/self/fd/${writer.readFd}`, 'r')
  writer.consumerStarted()
  const consumer = reads ? readAll(readEnd) : Promise.resolve(new Uint8Array(0))
  return { writer, consumer, readEnd }
}

async function readAll(readEnd: number): Promise<Uint8Array> {
  const parts: Buffer[] = []
  const socket = new Socket({ fd: readEnd, writable: false })
  for await (const part of socket as AsyncIterable<Buffer>) parts.push(part)
  return concatBytes(parts)
}
