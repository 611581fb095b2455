// Makes the golden vectors of test/format/vectors that are missing, from fixed keys and numbers.
// What exists is never rewritten: a vector that changed would be a format that changed.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { documentVectors, nameVectors } from '../test/format/make/documents.ts'
import {
  epochDocumentVectors,
  epochIndexVectors,
  epochVectors,
} from '../test/format/make/epochs.ts'
import { frameVectors, indexVectors, leadVectors } from '../test/format/make/inside.ts'
import { objectVectors } from '../test/format/make/objects.ts'
import { seriesVectors, signatureVectors } from '../test/format/make/signatures.ts'
import { tombstoneNameVectors, tombstoneVectors } from '../test/format/make/tombstones.ts'

const folder = fileURLToPath(new URL('../test/format/vectors/', import.meta.url))

keep('names.json', table('names of objects in a repository', nameVectors()))
keep('documents.json', table('JSON documents of a repository', documentVectors()))
keep('tombstone-names.json', table('names of tombstones', tombstoneNameVectors()))
keep('tombstones.json', table('tombstones, unsigned and signed', tombstoneVectors()))
keep('leads.json', table('lead frames of segments and indexes', leadVectors()))
keep('frames.json', table('stored frames', frameVectors()))
keep('indexes.json', table('raw bytes of indexes', indexVectors()))
keep('signatures.json', table('signed manifests', signatureVectors()))
keep('series.json', table('ids of series', seriesVectors()))
keep('epochs.json', table('ids of epochs', epochVectors()))
keep('epoch-documents.json', table('manifests of epochs', epochDocumentVectors()))
keep('epoch-indexes.json', table('raw bytes of indexes of epochs', epochIndexVectors()))
const { vectors, files } = objectVectors()
keep('objects.json', table('whole objects', vectors))
for (const [name, bytes] of files) keep(`objects/${name}`, bytes)

function table(about: string, vectors: readonly unknown[]): string {
  const lines = vectors.map(vector => `  ${JSON.stringify(vector)}`)
  return `{\n "about": ${JSON.stringify(about)},\n "vectors": [\n${lines.join(',\n')}\n ]\n}\n`
}

function keep(name: string, content: string | Uint8Array): void {
  const path = `${folder}${name}`
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  console.log(`made ${name}`)
}
