// Cuts a send stream into commands, whatever pieces it comes in, and checks its form: lengths,
// known commands and attributes, CRCs, END. What the commands mean is the visitor's business.
// Guard, decoder and replay all read through here.

import { Failure } from '../base/failure.ts'
import {
  Attribute,
  Command,
  type CommandLayout,
  commandHeaderBytes,
  commandLayout,
  maxAttributeBytes,
  maxPayloadBytes,
  newestVersion,
  streamHeaderBytes,
  streamMagic,
} from './commands.ts'
import { crc32c, createCrc32cWindow } from './crc32c.ts'
import { CommandFields } from './fields.ts'

export interface CommandVisitor {
  /**
   * A command whose form is right. Its CRC was checked too unless it has a payload: then it comes
   * before the payload, and only `commandEnd` vouches for it. Fields are valid during the call.
   * Returns the reason why the command is refused, if it is.
   */
  command(layout: CommandLayout, fields: CommandFields, payloadBytes: number): string | undefined
  /** File data, piece by piece; `bytes[start, end)` is valid during the call. */
  payload?(bytes: Uint8Array, start: number, end: number): void
  /** The command is complete and its CRC right (unless payloads were left out and it has one). */
  commandEnd?(layout: CommandLayout): void
  /** Everything of the stream but payloads: `bytes[start, end)`, valid during the call. */
  structure?(bytes: Uint8Array, start: number, end: number): void
}

export interface ReaderOptions {
  readonly visitor: CommandVisitor
  /** `left-out`: the stream is a skeleton, in which payloads are announced but not there. */
  readonly payload: 'included' | 'left-out'
}

/** Bytes are read in pieces of this size: small enough to stay in a cache between the passes. */
const windowBytes = 128 * 1024

type Stage = 'stream header' | 'command' | 'payload' | 'ended'

export class CommandReader {
  readonly #visitor: CommandVisitor
  readonly #payloadIncluded: boolean
  readonly #fields = new CommandFields()
  // A private copy of what is being read: CRCs are taken of it with their own field zeroed.
  readonly #window = createCrc32cWindow(windowBytes)

  #stage: Stage = 'stream header'
  #version = 0
  #commandCount = 0
  /** Stream offset of the window's first byte. */
  #windowOffset = 0
  /** The beginning of a command (or of the stream) that the last window did not hold whole. */
  #carry = new Uint8Array(8192)
  #carryLength = 0
  #carryNeed = streamHeaderBytes

  // Of the command being read.
  #layout: CommandLayout | undefined
  #offset = 0
  #headBytes = 0
  #payloadBytes = 0
  #payloadLeft = 0
  #expectedCrc = 0
  #crc = 0

  constructor({ visitor, payload }: ReaderOptions) {
    this.#visitor = visitor
    this.#payloadIncluded = payload === 'included'
  }

  /** 0 until the stream's header was read. */
  get version(): number {
    return this.#version
  }

  get commandCount(): number {
    return this.#commandCount
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#windowOffset
  }

  /** Where the command that is visited begins and where its head ends, in bytes of the stream. */
  get head(): { readonly start: number; readonly end: number } {
    return { start: this.#offset, end: this.#offset + this.#headBytes }
  }

  /** Bytes at the end of what was taken that begin a head which is not whole yet. */
  get openHeadBytes(): number {
    return this.#carryLength
  }

  /** Throws Failure 'corrupt' at the first violation. The chunk is not changed and not kept. */
  write(chunk: Uint8Array): void {
    // A plain view: of a Buffer, what looks like a copy (`slice`) would not be one.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)
    for (let at = 0; at < bytes.length; at += windowBytes) {
      const part = bytes.subarray(at, at + windowBytes)
      this.#window.bytes.set(part)
      this.#readWindow(part)
      this.#windowOffset += part.length
    }
  }

  /** Throws Failure 'corrupt' unless the stream ended with END. */
  finish(): void {
    if (this.#stage === 'ended') return
    const where = this.#commandCount === 0 && this.#stage === 'stream header' ? 'its header' : 'END'
    throw streamFailure(`it stops at offset ${this.#windowOffset}, before ${where}`)
  }

  #readWindow(part: Uint8Array): void {
    let at = 0
    let structureStart = 0
    while (at < part.length) {
      if (this.#stage === 'payload') {
        const next = Math.min(part.length, at + this.#payloadLeft)
        if (at > structureStart) this.#visitor.structure?.(part, structureStart, at)
        this.#readPayload(part, at, next)
        at = next
        structureStart = at
      } else {
        at = this.#carryLength > 0 ? this.#readCarried(part, at) : this.#readWhole(part, at)
      }
    }
    if (at > structureStart) this.#visitor.structure?.(part, structureStart, at)
  }

  /** A command's head straight from the window; what is left of it there starts the carry. */
  #readWhole(part: Uint8Array, at: number): number {
    this.#offset = this.#windowOffset + at
    const need = this.#parse(part, at, part.length - at)
    if (need > 0) {
      this.#carryNeed = need
      return this.#readCarried(part, at)
    }
    const end = at + this.#headBytes
    if (this.#layout !== undefined) {
      this.#window.bytes.fill(0, at + 6, at + commandHeaderBytes)
      this.#crc = this.#window.of(0, at, end)
      this.#headDone()
    }
    return end
  }

  /** Adds to the carry until a head is whole there. */
  #readCarried(part: Uint8Array, start: number): number {
    let at = start
    for (;;) {
      const take = Math.min(this.#carryNeed - this.#carryLength, part.length - at)
      this.#growCarry(this.#carryLength + take)
      this.#carry.set(part.subarray(at, at + take), this.#carryLength)
      this.#carryLength += take
      at += take
      if (this.#carryLength < this.#carryNeed) return at
      const need = this.#parse(this.#carry, 0, this.#carryLength)
      if (need === 0) break
      this.#carryNeed = need
    }
    if (this.#layout !== undefined) {
      this.#carry.fill(0, 6, commandHeaderBytes)
      this.#crc = crc32c(this.#carry.subarray(0, this.#headBytes))
      this.#headDone()
    }
    this.#carryLength = 0
    return at
  }

  #growCarry(bytes: number): void {
    if (bytes <= this.#carry.length) return
    const grown = new Uint8Array(Math.max(bytes, this.#carry.length * 2))
    grown.set(this.#carry.subarray(0, this.#carryLength))
    this.#carry = grown
  }

  /** 0 when `bytes[at, at + available)` begins with a whole head, else how many bytes to come back with. */
  #parse(bytes: Uint8Array, at: number, available: number): number {
    if (this.#stage === 'ended') {
      this.#offset = this.#windowOffset
      throw streamFailure(`there are bytes after its END, at offset ${this.#offset}`)
    }
    if (this.#stage === 'stream header') return this.#parseStreamHeader(bytes, at, available)
    if (available < commandHeaderBytes) return commandHeaderBytes
    const length = u32(bytes, at)
    const id = (bytes[at + 4] as number) | ((bytes[at + 5] as number) << 8)
    this.#expectedCrc = u32(bytes, at + 6)
    this.#layout = this.#knownCommand(id)
    this.#checkLength(this.#layout, length)
    this.#fields.clear(bytes)
    return this.#parseAttributes({ bytes, at, available, length, layout: this.#layout })
  }

  #parseStreamHeader(bytes: Uint8Array, at: number, available: number): number {
    for (let n = 0; n < Math.min(available, streamMagic.length); n += 1) {
      if (bytes[at + n] !== streamMagic.charCodeAt(n)) {
        throw streamFailure('it does not begin like one (offset 0)')
      }
    }
    if (available < streamHeaderBytes) return streamHeaderBytes
    const version = u32(bytes, at + streamMagic.length)
    if (version < 1 || version > newestVersion) throw unknownVersion(version)
    this.#version = version
    this.#headBytes = streamHeaderBytes
    this.#layout = undefined
    this.#stage = 'command'
    return 0
  }

  #knownCommand(id: number): CommandLayout {
    const layout = commandLayout(id)
    if (layout === undefined) {
      throw streamFailure(`the command at offset ${this.#offset} has the unknown number ${id}`)
    }
    if (layout.version > this.#version) {
      throw this.#refusal(layout, `version ${this.#version} does not have that command`)
    }
    return layout
  }

  #checkLength(layout: CommandLayout, length: number): void {
    const most = layout.hasPayload ? maxAttributeBytes + maxPayloadBytes : maxAttributeBytes
    if (length > most) throw this.#refusal(layout, `it claims ${length} bytes`)
  }

  #parseAttributes(head: Head): number {
    const { bytes, at, available, length, layout } = head
    const commandEnd = at + commandHeaderBytes + length
    // Without a payload the head is the whole command.
    if (!layout.hasPayload && available < commandHeaderBytes + length) {
      return commandHeaderBytes + length
    }
    let next = at + commandHeaderBytes
    while (next < commandEnd) {
      if (next + 2 > commandEnd) throw this.#refusal(layout, 'its last attribute is cut off')
      if (next + 2 > at + available) return this.#needed(layout, next + 2 - at)
      const type = u16(bytes, next)
      const openEnded = type === Attribute.data && this.#version >= 2
      const start = next + (openEnded ? 2 : 4)
      if (start > commandEnd) throw this.#refusal(layout, 'its last attribute is cut off')
      if (start > at + available) return this.#needed(layout, start - at)
      const valueBytes = openEnded ? commandEnd - start : u16(bytes, next + 2)
      const end = start + valueBytes
      if (end > commandEnd) throw this.#refusal(layout, 'an attribute is longer than the command')
      const wrong = this.#fields.problem(layout, type, valueBytes)
      if (wrong !== undefined) throw this.#refusal(layout, wrong)
      this.#fields.add(type, start, valueBytes)
      if (type === Attribute.data) return this.#parsedUpTo(head, start)
      if (end > at + available) return this.#needed(layout, end - at)
      next = end
    }
    return this.#parsedUpTo(head, commandEnd)
  }

  /** The head ends at `end`, and what remains of the command is payload. */
  #parsedUpTo({ at, length, layout }: Head, end: number): number {
    const missing = this.#fields.missing(layout)
    if (missing !== undefined) throw this.#refusal(layout, missing)
    this.#headBytes = end - at
    this.#payloadBytes = commandHeaderBytes + length - this.#headBytes
    if (layout.hasPayload && this.#fields.length(Attribute.data) !== this.#payloadBytes) {
      throw this.#refusal(layout, 'its data is not its last attribute')
    }
    return 0
  }

  /** The next length to look at the head again; more than any honest head has is refused. */
  #needed(layout: CommandLayout, bytes: number): number {
    if (bytes > maxAttributeBytes) throw this.#refusal(layout, 'it has too many attributes')
    return bytes
  }

  #headDone(): void {
    const layout = this.#layout as CommandLayout
    if (!layout.hasPayload) this.#checkCrc(layout)
    const wrong = this.#visitor.command(layout, this.#fields, this.#payloadBytes)
    if (wrong !== undefined) throw this.#refusal(layout, wrong)
    if (this.#payloadIncluded && this.#payloadBytes > 0) {
      this.#payloadLeft = this.#payloadBytes
      this.#stage = 'payload'
      return
    }
    if (layout.hasPayload && this.#payloadIncluded) this.#checkCrc(layout)
    this.#commandDone(layout)
  }

  #readPayload(part: Uint8Array, start: number, end: number): void {
    this.#crc = this.#window.of(this.#crc, start, end)
    this.#visitor.payload?.(part, start, end)
    this.#payloadLeft -= end - start
    if (this.#payloadLeft > 0) return
    const layout = this.#layout as CommandLayout
    this.#checkCrc(layout)
    this.#commandDone(layout)
  }

  #commandDone(layout: CommandLayout): void {
    this.#commandCount += 1
    this.#stage = layout.id === Command.end ? 'ended' : 'command'
    this.#visitor.commandEnd?.(layout)
  }

  #checkCrc(layout: CommandLayout): void {
    if (this.#crc !== this.#expectedCrc) throw this.#refusal(layout, 'its checksum is wrong')
  }

  #refusal(layout: CommandLayout, why: string): Failure {
    return streamFailure(`${layout.name} at offset ${this.#offset}: ${why}`)
  }
}

interface Head {
  readonly bytes: Uint8Array
  readonly at: number
  readonly available: number
  readonly length: number
  readonly layout: CommandLayout
}

export function streamFailure(why: string): Failure {
  return new Failure('corrupt', `cannot accept send stream: ${why}`)
}

function unknownVersion(version: number): Failure {
  const why = `it has version ${version}, and only 1 and 2 are known`
  return new Failure('corrupt', `cannot accept send stream: ${why}`, {
    hint: 'send it with `btrfs send --proto 2`',
  })
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
}

function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0
}
