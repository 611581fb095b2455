// Plain values of the file whose shape is not certain yet.

export type Section = Readonly<Record<string, unknown>>

export function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Empty for what is none. */
export function sectionOf(value: unknown): Section {
  return isSection(value) ? value : {}
}
