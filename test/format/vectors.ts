// Reads the golden vectors. The tables are ours, so their shapes are believed.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Failure } from '../../src/base/failure.ts'

export interface Expected {
  readonly name: string
  readonly failure?: { readonly code: string; readonly words: string }
}

const folder = new URL('vectors/', import.meta.url)

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- each table has its own rows
export function vectorsOf<T>(name: string): readonly (T & Expected)[] {
  const text = readFileSync(new URL(name, folder), 'utf8')
  const { vectors } = JSON.parse(text) as { vectors: (T & Expected)[] }
  assert.ok(vectors.length > 3, `${name} is empty`)
  return vectors
}

export function vectorFile(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(name, folder)))
}

/** Fails unless `read` ends as the vector says; gives what it read from a sound one. */
export function readVector<T>(vector: Expected, read: () => T): T | undefined {
  if (vector.failure === undefined) return read()
  assert.throws(read, isExpected(vector.failure))
  return undefined
}

export function isExpected({ code, words }: { readonly code: string; readonly words: string }) {
  return (error: unknown): true => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code)
    assert.equal(error.message.slice(0, words.length), words)
    return true
  }
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/** As JSON would show it: times as text. */
export function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
