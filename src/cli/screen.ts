// Where words go: a stream with what is known of it. Tests hand in their own.

import { fstatSync } from 'node:fs'
import type { WriteStream } from 'node:tty'
import { systemCodeOf } from '../base/failure.ts'

export interface Screen {
  /** Never throws: a reader that has gone away is no reason to stop a backup. */
  write(text: string): void
  readonly isTerminal: boolean
  /** Columns; asked each time, as people resize windows. Unbounded off a terminal. */
  columns(): number
  rows(): number
}

/** `onBroken` is told when what was written is lost, other than because the reader has gone. */
export function screenOf(stream: WriteStream, onBroken: (error: Error) => void = () => {}): Screen {
  // `btrvault list | head` is not an error; a full disk is.
  stream.on('error', error => {
    if (systemCodeOf(error) !== 'EPIPE') onBroken(error)
  })
  return {
    write: text => {
      if (stream.writable) stream.write(text)
    },
    isTerminal: stream.isTTY,
    columns: () => (stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY),
    rows: () => (stream.isTTY ? stream.rows || 24 : Number.POSITIVE_INFINITY),
  }
}

/**
 * Whether the file descriptor is the journal's socket. systemd.exec(5): JOURNAL_STREAM holds its
 * device and inode, and counts only for a stream that still is that one.
 */
export function isJournal(
  descriptor: number,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const named = env['JOURNAL_STREAM']
  if (named === undefined) return false
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true })
    return named === `${dev}:${ino}`
  } catch {
    return false
  }
}
