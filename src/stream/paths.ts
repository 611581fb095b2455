// What a path in a stream may look like. `btrfs receive` joins it to its own folder with a slash
// and nothing else, so `../../etc/cron.d/x` would be followed: a stream is refused first.

import { maxNameBytes, maxPathBytes } from './commands.ts'

const slash = 0x2f
const dot = 0x2e

/**
 * Why `bytes[start, end)` is not the relative path of something inside a subvolume; undefined
 * when it is. The empty path, which stands for the subvolume itself, is the caller's question.
 */
export function pathProblem(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > maxPathBytes) return 'a path is too long'
  let nameStart = start
  let allDots = true
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number
    if (byte === slash) {
      if (!isSafeName(at - nameStart, allDots)) return nameProblem(at - nameStart)
      nameStart = at + 1
      allDots = true
    } else if (byte === 0) {
      return 'a path holds a NUL'
    } else if (byte !== dot) {
      allDots = false
    }
  }
  return isSafeName(end - nameStart, allDots) ? undefined : nameProblem(end - nameStart)
}

function isSafeName(length: number, allDots: boolean): boolean {
  return length > 0 && length <= maxNameBytes && (!allDots || length > 2)
}

function nameProblem(length: number): string {
  if (length === 0) return 'a path is absolute or has an empty component'
  return length > maxNameBytes
    ? 'a path has a component that is too long'
    : 'a path has a dot component'
}
