// The bucket that everybody stores to, seen from the server's side.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DeleteObjectsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import type { Radosgw } from '../test/support/radosgw.ts'

/** So long after an answer the server has surely logged it. */
const logDelayMs = 300

export class Bucket {
  readonly name: string
  readonly server: Radosgw
  readonly #client: S3Client

  constructor(server: Radosgw, name: string) {
    this.server = server
    this.name = name
    this.#client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    })
  }

  async storedBytes(prefix: string): Promise<number> {
    let sum = 0
    for await (const { Size = 0 } of this.#objects(prefix)) sum += Size
    return sum
  }

  async empty(prefix: string): Promise<void> {
    const keys: string[] = []
    for await (const { Key } of this.#objects(prefix)) if (Key !== undefined) keys.push(Key)
    for (let at = 0; at < keys.length; at += 1000) {
      const Objects = keys.slice(at, at + 1000).map(Key => ({ Key }))
      const command = new DeleteObjectsCommand({ Bucket: this.name, Delete: { Objects } })
      await this.#client.send(command)
    }
  }

  /** Requests that the server answered so far, by its own log, which it writes a moment later. */
  async requestsSoFar(): Promise<number> {
    let count = this.#requestsLogged()
    for (let before = -1; count !== before; ) {
      await delay(logDelayMs)
      before = count
      count = this.#requestsLogged()
    }
    return count
  }

  #requestsLogged(): number {
    const log = readFileSync(join(this.server.folder, 'log', 'client.rgw.log'), 'latin1')
    return log.split(' beast: ').length - 1
  }

  close(): void {
    this.#client.destroy()
  }

  async *#objects(prefix: string) {
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.name, Prefix: `${prefix}/` },
    )
    for await (const page of pages) yield* page.Contents ?? []
  }
}
