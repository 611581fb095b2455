// Stands in for a verb whose story is not in this build.

import { Failure } from '../../base/failure.ts'
import type { Outcome } from '../verb.ts'

export function unbuilt(name: string): () => Promise<Outcome> {
  return async () => {
    throw new Failure('failed', `cannot run ${name}: it is not in this build`)
  }
}
