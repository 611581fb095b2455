import assert from 'node:assert/strict'
import { createHmac, hkdfSync } from 'node:crypto'
import { it } from 'node:test'
import { seriesIdOf } from '../../src/catalog/series-id.ts'
import { SigningKey, seriesSecretOf } from '../../src/catalog/signing.ts'
import { asSeriesId, type SourceName } from '../../src/model/ids.ts'
import { repositoryId } from '../format/samples.ts'

const seed = new Uint8Array(32).fill(9)
const secret = seriesSecretOf(new SigningKey(seed))
const home = 'home' as SourceName

it('seriesIdOf() is what docs/format.md says', () => {
  const key = Buffer.from(hkdfSync('sha256', seed, '', 'btrvault series v1', 32))
  const mac = createHmac('sha256', key)
    .update(repositoryId)
    .update('\0')
    .update('home')
    .digest('hex')
  assert.equal(seriesIdOf(secret, repositoryId, home), mac.slice(0, 32))
})

it('seriesIdOf() differs for each source, repository and key, and needs no state and shows no name (L8, L10)', () => {
  const other = '0'.repeat(32) as typeof repositoryId
  const foreign = seriesSecretOf(new SigningKey(new Uint8Array(32).fill(8)))
  const ids = [
    seriesIdOf(secret, repositoryId, home),
    seriesIdOf(secret, repositoryId, 'home2' as SourceName),
    seriesIdOf(secret, other, home),
    seriesIdOf(foreign, repositoryId, home),
  ]
  assert.equal(new Set(ids).size, 4)
  assert.ok(ids.every(id => asSeriesId(id) === id))
  const again = seriesSecretOf(new SigningKey(seed))
  assert.equal(seriesIdOf(again, repositoryId, home), ids[0])
})
