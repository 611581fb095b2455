// How a series is named above what is said of it.

import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'

/** `place` is safe to print already. */
export function seriesHeading(
  { series, source }: { readonly series: string; readonly source: string | null },
  place: string,
  paint: Paint,
): string {
  const id = `series ${series.slice(0, 8)}`
  return source === null
    ? `${paint('strong', id)} on ${place}  ${paint('quiet', 'name not known')}`
    : `${paint('strong', escapeControls(source))} on ${place}  ${paint('quiet', id)}`
}
