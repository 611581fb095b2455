// Sizes, rates and durations, as people write and read them.

const binary: Record<string, number> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
}
const decimal: Record<string, number> = { k: 1000, m: 1000 ** 2, g: 1000 ** 3, t: 1000 ** 4 }

/** `64MiB`, `64M` and `64m` are binary, `64MB` is decimal, `64` is bytes; undefined when it is none of these. */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?\s*$/i.exec(text)
  if (!match) return undefined
  const prefix = (match[2] as string).toLowerCase()
  const suffix = (match[3] ?? '').toLowerCase()
  const unit = suffix === 'b' && prefix !== '' ? decimal[prefix] : binary[prefix]
  if (unit === undefined || (prefix === '' && suffix === 'ib')) return undefined
  return Math.round(Number(match[1]) * unit)
}

/** `10MiB/s` → bytes a second. */
export function parseRate(text: string): number | undefined {
  const match = /^(.*?)\s*\/\s*s$/i.exec(text)
  return match ? parseSize(match[1] as string) : undefined
}

/** Four significant digits at most: `1.23 GiB`, `512 KiB`, `17 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes / 1024
  let unit = 0
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

/** `0.8 s`, `42 s`, `3 min 12 s`, `5 h 03 min`, `12 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  if (whole < 86_400)
    return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}

/** `3 objects`, `1 object`. */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}
