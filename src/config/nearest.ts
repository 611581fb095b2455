// "Did you mean …": the known word that a mistyped one is nearest to.

/** The nearest of `choices`, or undefined when none is near enough to be what was meant. */
export function nearest(word: string, choices: readonly string[]): string | undefined {
  const typed = plain(word)
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const choice of choices) {
    const known = plain(choice)
    const distance = editDistance(typed, known)
    const allowed = Math.max(1, Math.floor(Math.max(typed.length, known.length) / 3))
    if (distance <= allowed && distance < bestDistance) {
      best = choice
      bestDistance = distance
    }
  }
  return best
}

/** ` (did you mean X?)`, or nothing. */
export function didYouMean(word: string, choices: readonly string[]): string {
  const near = nearest(word, choices)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}

function plain(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll('-', '_')
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1]
      const change = at(last, j - 1) + (same ? 0 : 1)
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, change))
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (i > 1 && j > 1 && swapped) row[j] = Math.min(at(row, j), at(beforeLast, j - 2) + 1)
    }
    beforeLast = last
    last = row
  }
  return at(last, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
