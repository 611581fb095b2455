// Writes send streams: for streams of our own making (a restore of live data only, tests). Each
// command is complete and has its CRC.

import { concatBytes } from '../base/bytes.ts'
import { type Uuid, uuidToBytes } from '../model/ids.ts'
import {
  Attribute,
  type AttributeName,
  attributeLengths,
  Command,
  type CommandName,
  commandHeaderBytes,
  streamHeaderBytes,
  streamMagic,
} from './commands.ts'
import { crc32c } from './crc32c.ts'

export interface Timespec {
  readonly seconds: number
  readonly nanoseconds: number
}

/**
 * Text is written one byte a character (latin1, as decoded paths are), numbers in the attribute's
 * own size, UUIDs as bytes (`uuidToBytes`).
 */
export type AttributeValue = number | bigint | string | Uint8Array | Timespec

export type Attributes = readonly (readonly [AttributeName, AttributeValue])[]

export function encodeStreamHeader(version: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(streamHeaderBytes)
  header.set(Buffer.from(streamMagic, 'latin1'))
  new DataView(header.buffer).setUint32(streamMagic.length, version, true)
  return header
}

/** A whole command, attributes in the order given. It checks nothing: hostile streams are made here too. */
export function encodeCommand(
  command: CommandName | number,
  attributes: Attributes,
  version: number,
): Uint8Array<ArrayBuffer> {
  const id = typeof command === 'number' ? command : Command[command]
  return encodeRawCommand(
    id,
    concatBytes(attributes.map(([name, value]) => encodeAttribute(name, value, version))),
  )
}

/** A command around an attribute area that is encoded already. */
export function encodeRawCommand(id: number, area: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(commandHeaderBytes + area.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, area.length, true)
  view.setUint16(4, id, true)
  bytes.set(area, commandHeaderBytes)
  view.setUint32(6, crc32c(bytes), true)
  return bytes
}

export function encodeAttribute(
  name: AttributeName,
  value: AttributeValue,
  version: number,
): Uint8Array<ArrayBuffer> {
  const id = Attribute[name]
  const content = encodeValue(id, value)
  const openEnded = id === Attribute.data && version >= 2
  const head = new Uint8Array(openEnded ? 2 : 4)
  const view = new DataView(head.buffer)
  view.setUint16(0, id, true)
  if (!openEnded) view.setUint16(2, content.length, true)
  return concatBytes([head, content])
}

function encodeValue(id: number, value: AttributeValue): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value, 'latin1')
  if (typeof value === 'object') return encodeTimespec(value)
  const bytes = new Uint8Array(attributeLengths[id]?.max === 4 ? 4 : 8)
  const view = new DataView(bytes.buffer)
  if (bytes.length === 4) view.setUint32(0, Number(value), true)
  else view.setBigUint64(0, BigInt(value), true)
  return bytes
}

function encodeTimespec({ seconds, nanoseconds }: Timespec): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setBigInt64(0, BigInt(seconds), true)
  view.setUint32(8, nanoseconds, true)
  return bytes
}

/** The beginning of a stream: its header and the command that names the snapshot. */
export function encodeHead(head: {
  readonly version: number
  readonly name: string
  readonly uuid: Uuid
  readonly ctransid: number
  readonly parent?: { readonly uuid: Uuid; readonly ctransid: number } | null
}): Uint8Array<ArrayBuffer> {
  const own: Attributes = [
    ['path', head.name],
    ['uuid', uuidToBytes(head.uuid)],
    ['ctransid', head.ctransid],
  ]
  const { parent, version } = head
  const command =
    parent === undefined || parent === null
      ? encodeCommand('subvol', own, version)
      : encodeCommand(
          'snapshot',
          [...own, ['cloneUuid', uuidToBytes(parent.uuid)], ['cloneCtransid', parent.ctransid]],
          version,
        )
  return concatBytes([encodeStreamHeader(version), command])
}
