// How an epoch is named on the screen.

import type { EpochLabel } from '../commands/shared/epoch-names.ts'
import { escapeControls } from './escape.ts'

/** Its name, or the beginning of its id in brackets; empty for none. */
export function epochText(epoch: EpochLabel | null): string {
  if (epoch === null) return ''
  return epoch.name === null ? `(${epoch.id.slice(0, 8)})` : escapeControls(epoch.name)
}
