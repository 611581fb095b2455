// Gives the snapshot of a send stream another name. Btrfs names it after its directory entry, which
// is `snapshot` for each one that snapper made; under one name only one of them can be received in a
// folder, by us or by `btrfs receive`. Nothing else in a stream holds the name.

import { concatBytes } from '../base/bytes.ts'
import { Attribute, Command, commandHeaderBytes, streamHeaderBytes } from './commands.ts'
import { crc32c } from './crc32c.ts'
import { encodeAttribute, encodeRawCommand } from './encode.ts'

/** Of the first command: a name, two uuids and two numbers. */
const maxAreaBytes = 4096
const headBytes = streamHeaderBytes + commandHeaderBytes

/**
 * The beginning of a stream up to the end of its first command, with this name in it. `read` gives
 * so many bytes, or fewer at the stream's end. What is not a sound beginning comes back as it was,
 * for the guard to refuse.
 */
export function renamedHead(read: (count: number) => Uint8Array, name: string): Uint8Array {
  const head = read(headBytes)
  if (head.length < headBytes) return head
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const areaBytes = view.getUint32(streamHeaderBytes, true)
  const id = view.getUint16(streamHeaderBytes + 4, true)
  if ((id !== Command.subvol && id !== Command.snapshot) || areaBytes > maxAreaBytes) return head
  const area = read(areaBytes)
  const rest = withoutPath(area)
  const isSound = commandCrc(head, area) === view.getUint32(streamHeaderBytes + 6, true)
  if (rest === undefined || !isSound) return concatBytes([head, area])
  const path = encodeAttribute('path', Buffer.from(name, 'utf8'), 1)
  return concatBytes([
    head.subarray(0, streamHeaderBytes),
    encodeRawCommand(id, concatBytes([path, rest])),
  ])
}

/** What follows the path, which btrfs writes first. */
function withoutPath(area: Uint8Array): Uint8Array | undefined {
  if (area.length < 4) return undefined
  const view = new DataView(area.buffer, area.byteOffset, area.length)
  const end = 4 + view.getUint16(2, true)
  return view.getUint16(0, true) === Attribute.path && end <= area.length
    ? area.subarray(end)
    : undefined
}

/** Of the whole command, its own place zeroed. */
function commandCrc(head: Uint8Array, area: Uint8Array): number {
  const command = concatBytes([head.subarray(streamHeaderBytes), area])
  command.fill(0, 6, commandHeaderBytes)
  return crc32c(command)
}
