// Keep rules and shapes: how many backups of a source a remote keeps, and what each is a difference
// from.

/** Longest first: years, quarters, months, ISO weeks, days, hours, minutes, seconds. */
export const spanUnits = ['y', 'q', 'm', 'w', 'd', 'h', 'M', 's'] as const
export type SpanUnit = (typeof spanUnits)[number]

/** For a count or a size without a limit; a number still, so that JSON can say it. */
export const unlimited = Number.MAX_SAFE_INTEGER

/** A number of calendar spans; `unlimited` for `*`. */
export interface SpanCount {
  readonly unit: SpanUnit
  readonly count: number
}

export interface KeepRule {
  /** Longest unit first, each at most once, none with count 0. */
  readonly spans: readonly SpanCount[]
  /** So many of the newest, whatever their spans; `unlimited` keeps everything. */
  readonly last: number
}

/**
 * - tree: the first backup of the longest unit's span is full, that of each shorter unit's span is a
 *   difference from the one of the next longer unit.
 * - chain: each backup is a difference from the one before.
 */
export type Shape = 'tree' | 'chain'

export interface Policy {
  readonly keep: KeepRule
  readonly shape: Shape
  /** No younger backup is forgotten, whatever the rule says. */
  readonly minAgeMs: number
  /** A full backup when so many boundaries of the unit lie between it and the last; null: never for this. */
  readonly fullEvery: SpanCount | null
  /** A full backup when the chain would be longer than this; null: no limit. */
  readonly maxChain: number | null
  /**
   * How many bytes a full backup may have that nobody planned, because every parent was lost;
   * `unlimited`: any number.
   */
  readonly allowFullBytes: number
}

/** What a source does on a remote: the only one, or that of one of several epochs. */
export interface RuleSet {
  readonly policy: Policy
  /** Name of the epoch that its backups are of; null: of none that has a name. */
  readonly epoch: string | null
  /** Name of the epoch that this one begins from, again and again; null: it begins in full. */
  readonly branchFrom: string | null
  /** Of its segments; null: the remote's. */
  readonly storageClass: string | null
}

/** Per cent of a series' backups, or a number of them. */
export type MaxDelete = { readonly percent: number } | { readonly count: number }

/** What a remote without rules does: each backup is a difference from the last, and nothing goes. */
export const keepEverything: Policy = {
  keep: { spans: [], last: unlimited },
  shape: 'chain',
  minAgeMs: 0,
  fullEvery: null,
  maxChain: null,
  allowFullBytes: unlimited,
}

export function soleRuleSet(policy: Policy): RuleSet {
  return { policy, epoch: null, branchFrom: null, storageClass: null }
}

/**
 * `1y 3m 30d 24h`, `*y 12m`, `last 10`, `30d last 5`, `*`; nothing at all keeps the newest only.
 * Undefined: units out of order or twice, or something that is no span.
 */
export function parseKeepRule(text: string): KeepRule | undefined {
  const spans: SpanCount[] = []
  let last: number | undefined
  let isLast = false
  for (const word of text.split(/\s+/).filter(one => one !== '')) {
    if (isLast || word === '*') {
      const count = parseCount(word)
      if (count === undefined || last !== undefined) return undefined
      last = count
      isLast = false
      continue
    }
    isLast = word === 'last'
    if (isLast) continue
    const span = parseSpanCount(word)
    const before = spans.at(-1)
    if (span === undefined) return undefined
    if (before && spanUnits.indexOf(before.unit) >= spanUnits.indexOf(span.unit)) return undefined
    spans.push(span)
  }
  if (isLast) return undefined
  return { spans: spans.filter(({ count }) => count > 0), last: last ?? 0 }
}

/** `3m`, `*y`. */
export function parseSpanCount(text: string): SpanCount | undefined {
  const unit = spanUnits.find(one => one === text.at(-1))
  const count = parseCount(text.slice(0, -1))
  return unit === undefined || count === undefined ? undefined : { unit, count }
}

export function keepsEverything(rule: KeepRule): boolean {
  return rule.last === unlimited
}

function parseCount(text: string): number | undefined {
  if (text === '*') return unlimited
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined
}
