// A send stream, or a skeleton, as a sequence of commands: what the encoder takes is what comes
// out. For reading at leisure; bulk work (guard, replay) has visitors of its own.

import { concatBytes } from '../base/bytes.ts'
import {
  Attribute,
  type AttributeId,
  type AttributeName,
  attributeKey,
  attributeLengths,
  type CommandLayout,
  type CommandName,
} from './commands.ts'
import type { Attributes, AttributeValue, Timespec } from './encode.ts'
import type { CommandFields } from './fields.ts'
import { CommandReader, type CommandVisitor } from './reader.ts'

export interface StreamCommand {
  readonly command: CommandName
  /** In the stream's order; `data` is missing where payloads were left out. */
  readonly attributes: Attributes
  /** Length of `data`, there or not. */
  readonly payloadBytes: number
}

export interface DecodeOptions {
  /** `left-out`: a skeleton. Default `included`. */
  readonly payload?: 'included' | 'left-out'
}

/** Throws Failure 'corrupt' where the stream's form is wrong, and when it stops before END. */
export function* decodeStream(
  chunks: Iterable<Uint8Array>,
  { payload = 'included' }: DecodeOptions = {},
): Generator<StreamCommand> {
  const collector = new Collector()
  const reader = new CommandReader({ visitor: collector, payload })
  for (const chunk of chunks) {
    reader.write(chunk)
    yield* collector.take()
  }
  reader.finish()
}

/** A number; throws a TypeError when the command has none of that name. Beyond 2^53 it is rounded. */
export function numberOf(command: StreamCommand, name: AttributeName): number {
  const value = valueOf(command, name)
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value)
  throw new TypeError(`${name} of ${command.command} is no number`)
}

/** A path or a name, one character a byte. */
export function textOf(command: StreamCommand, name: AttributeName): string {
  const value = valueOf(command, name)
  if (typeof value === 'string') return value
  throw new TypeError(`${name} of ${command.command} is no text`)
}

export function bytesOf(command: StreamCommand, name: AttributeName): Uint8Array {
  const value = valueOf(command, name)
  if (value instanceof Uint8Array) return value
  throw new TypeError(`${name} of ${command.command} is not bytes`)
}

export function timeOf(command: StreamCommand, name: AttributeName): Timespec {
  const value = valueOf(command, name)
  if (typeof value === 'object' && 'seconds' in value) return value
  throw new TypeError(`${name} of ${command.command} is no time`)
}

function valueOf(command: StreamCommand, name: AttributeName): AttributeValue | undefined {
  return command.attributes.find(([each]) => each === name)?.[1]
}

class Collector implements CommandVisitor {
  #done: StreamCommand[] = []
  #current: { command: CommandName; attributes: Attributes; payloadBytes: number } | undefined
  #payload: Uint8Array[] = []

  take(): StreamCommand[] {
    const done = this.#done
    this.#done = []
    return done
  }

  command(layout: CommandLayout, fields: CommandFields, payloadBytes: number): undefined {
    const attributes = fields
      .ids()
      .filter(id => id !== Attribute.data)
      .map(id => [attributeKey(id), decodeValue(fields, id)] as const)
    this.#current = { command: layout.command, attributes, payloadBytes }
    this.#payload = []
  }

  payload(bytes: Uint8Array, start: number, end: number): void {
    this.#payload.push(bytes.slice(start, end))
  }

  commandEnd(layout: CommandLayout): void {
    const current = this.#current
    if (current === undefined) return
    const payload = concatBytes(this.#payload)
    const isWhole = layout.hasPayload && payload.length === current.payloadBytes
    const data: Attributes = isWhole ? [['data', payload]] : []
    this.#done.push({ ...current, attributes: [...current.attributes, ...data] })
    this.#current = undefined
  }
}

const texts = new Set<AttributeId>([
  Attribute.path,
  Attribute.pathTo,
  Attribute.pathLink,
  Attribute.clonePath,
  Attribute.xattrName,
])

function decodeValue(fields: CommandFields, id: AttributeId): AttributeValue {
  if (texts.has(id)) return fields.latin1(id)
  if (id === Attribute.xattrData) return fields.value(id).slice()
  const bytes = attributeLengths[id]?.max ?? 0
  switch (bytes) {
    case 4:
      return fields.u32(id)
    case 8:
      return exactNumber(fields, id)
    case 12:
      return { seconds: fields.seconds(id), nanoseconds: fields.nanoseconds(id) }
    default:
      return fields.value(id).slice()
  }
}

function exactNumber(fields: CommandFields, id: AttributeId): number | bigint {
  if (fields.top(id) < 2 ** 21) return fields.u64(id)
  const value = fields.value(id)
  return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)
}
