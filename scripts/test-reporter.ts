// node:test's own spec reporter, with two differences: its summary ("tests 12", "pass 12", …)
// stands at the very end, below the failures, and where CI=true a skipped or unfinished (todo)
// test, or a run of no test at all, is a failure of the run.

import { Readable } from 'node:stream'
import { spec, type TestEvent } from 'node:test/reporters'

interface Counts {
  readonly tests: number
  readonly skipped: number
  readonly todo: number
}

// oxlint-disable-next-line import/no-default-export -- node --test-reporter takes no other
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncIterable<string> {
  const summary: string[] = []
  const refusals: string[] = []
  const allButSummary = async function* (): AsyncIterable<TestEvent> {
    for await (const event of source) {
      if (isSummaryLine(event)) summary.push(event.data.message)
      else yield event
      // The summary of one file names it; the one of the whole run does not.
      if (event.type === 'test:summary' && event.data.file === undefined) {
        refusals.push(...refusalsOf(event.data.counts, process.env.CI === 'true'))
      }
    }
  }

  for await (const text of Readable.from(allButSummary()).compose(new spec())) yield String(text)
  for (const refusal of refusals) yield `✖ ${refusal}\n`
  if (refusals.length > 0) process.exitCode = 1
  yield `\n${summary.map(line => `ℹ ${line}\n`).join('')}`
}

type SummaryLine = Extract<TestEvent, { type: 'test:diagnostic' }>

function isSummaryLine(event: TestEvent): event is SummaryLine {
  if (event.type !== 'test:diagnostic' || event.data.nesting !== 0) return false
  return event.data.file === undefined && /^\w+ [\d.]+$/.test(event.data.message)
}

export function refusalsOf(counts: Counts, isCi: boolean): readonly string[] {
  const refusals: string[] = []
  if (counts.tests === 0) refusals.push('no test was run')
  if (isCi && counts.skipped > 0)
    refusals.push(`${counts.skipped} skipped: CI takes no skipped test`)
  if (isCi && counts.todo > 0) refusals.push(`${counts.todo} todo: CI takes no unfinished test`)
  return refusals
}
