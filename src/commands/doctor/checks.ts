// What doctor found about one thing.

import { isFailure } from '../../base/failure.ts'
import { reportObstacle } from '../shared/report.ts'

/** - ok · - warn: it works, and may not always · - bad: a backup or a restore will fail or be in danger. */
export type CheckOutcome = 'ok' | 'warn' | 'bad'

export interface Check {
  /** What kind of thing: `this machine`, `keys`, `source home`, `remote aws`. */
  readonly area: string
  readonly name: string
  readonly outcome: CheckOutcome
  /** Lower case, no full stop. */
  readonly words: string
  readonly hint?: string
}

export type Finding = Omit<Check, 'area' | 'name'>

export function ok(words: string): Finding {
  return { outcome: 'ok', words }
}

export function warn(words: string, hint?: string): Finding {
  return { outcome: 'warn', words, ...(hint !== undefined && { hint }) }
}

export function bad(words: string, hint?: string): Finding {
  return { outcome: 'bad', words, ...(hint !== undefined && { hint }) }
}

/** Collects the checks of one area; what fails is bad, and never stops the others. */
export class Area {
  readonly checks: Check[] = []
  readonly #area: string

  constructor(area: string) {
    this.#area = area
  }

  add(name: string, finding: Finding): void {
    this.checks.push({ area: this.#area, name, ...finding })
  }

  async check(name: string, look: () => Promise<Finding> | Finding): Promise<void> {
    const finding = await this.obtain(name, look)
    if (finding !== undefined) this.add(name, finding)
  }

  /** What other checks need; undefined, and a bad check, when it can't be had. */
  async obtain<T>(name: string, look: () => Promise<T> | T): Promise<T | undefined> {
    try {
      return await look()
    } catch (error) {
      if (isFailure(error, 'interrupted')) throw error
      const { message, hint } = reportObstacle(error)
      this.add(name, bad(message, hint))
      return undefined
    }
  }
}
