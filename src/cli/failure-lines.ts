// A failure inside a report, in lines.

import type { FailureReport } from '../commands/shared/report.ts'
import type { Paint } from './colour.ts'
import { escapeControls, escapeLines } from './escape.ts'

/** Two lines at least where there is a hint; `remote` names where it happened. */
export function failureLines(failure: FailureReport, paint: Paint, remote?: string): string[] {
  const where = remote === undefined ? '' : `${escapeControls(remote)}: `
  const [first = '', ...rest] = escapeLines(failure.message)
  const hint =
    failure.hint === undefined ? [] : [`${paint('quiet', 'hint:')} ${escapeControls(failure.hint)}`]
  return [`${paint('bad', where)}${first}`, ...rest, ...hint]
}
