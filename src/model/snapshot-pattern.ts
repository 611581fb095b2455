// Where snapshots lie that others made: an absolute path in which `*` stands for any characters of
// one name and `?` for one. As in a shell, neither stands for the dot that a name begins with.

/** The folder above the first part that is not literal. */
export function patternFolder(pattern: string): string {
  const parts = pattern.split('/')
  const first = parts.findIndex(isWild)
  return parts.slice(0, first === -1 ? -1 : first).join('/') || '/'
}

/** Whether some part stands for more than one name. */
export function isWild(text: string): boolean {
  return /[*?]/.test(text)
}

/** Whether one name is what one part of a pattern stands for. */
export function matchesPart(part: string, name: string): boolean {
  if (name.startsWith('.') && !part.startsWith('.')) return false
  const source = part.replaceAll(/[\\^$.+()[\]{}|]/g, String.raw`\$&`)
  const pattern = source.replaceAll(/\*+/g, '.*').replaceAll('?', '.')
  return new RegExp(`^${pattern}$`, 'su').test(name)
}

/** Whether all snapshots of the pattern lie in one folder, so that their names tell them apart. */
export function isOneFolder(pattern: string): boolean {
  const parts = pattern.split('/')
  return parts.findIndex(isWild) === parts.length - 1
}

/** What stands for the wild parts of the pattern in a path that matches it. */
export function wildParts(pattern: string, path: string): string[] {
  const names = path.split('/')
  return pattern.split('/').flatMap((part, n) => (isWild(part) ? [names[n] ?? ''] : []))
}
