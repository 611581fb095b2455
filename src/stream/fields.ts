// Where the attributes of one command lie in memory. One object is used for every command of a
// stream: a big stream has millions of commands, and none of them should cost an allocation.

import { asBuffer } from '../base/bytes.ts'
import { type Uuid, uuidFromBytes } from '../model/ids.ts'
import {
  type AttributeId,
  attributeLengths,
  attributeName,
  attributeSlots,
  type CommandLayout,
} from './commands.ts'

export class CommandFields {
  /** What the offsets below point into. Valid only until the reader moves on. */
  bytes: Uint8Array = new Uint8Array(0)
  readonly #starts = new Int32Array(attributeSlots)
  readonly #lengths = new Int32Array(attributeSlots)
  readonly #order = new Uint8Array(attributeSlots)
  #count = 0
  /** Bit n: attribute n is there. */
  #present = 0
  /** `bytes` as a Buffer: made once for many commands. */
  #text: Buffer | undefined

  clear(bytes: Uint8Array): void {
    if (bytes !== this.bytes) this.#text = undefined
    this.bytes = bytes
    this.#present = 0
    this.#count = 0
  }

  /** The reason when an attribute of `length` bytes may not stand there. */
  problem(layout: CommandLayout, id: number, length: number): string | undefined {
    if (id >= attributeSlots || (layout.allowedBits & (1 << id)) === 0) {
      return `it has ${attributeName(id)}, which does not belong there`
    }
    if ((this.#present & (1 << id)) !== 0) return `it has ${attributeName(id)} twice`
    const bounds = attributeLengths[id] as { min: number; max: number }
    if (length >= bounds.min && length <= bounds.max) return undefined
    return `its ${attributeName(id)} has ${length} bytes`
  }

  add(id: number, start: number, length: number): void {
    this.#present |= 1 << id
    this.#order[this.#count++] = id
    this.#starts[id] = start
    this.#lengths[id] = length
  }

  /** The reason when a required attribute is not there. */
  missing(layout: CommandLayout): string | undefined {
    if ((layout.requiredBits & ~this.#present) === 0) return undefined
    const first = layout.required.find(id => !this.has(id)) as AttributeId
    return `it has no ${attributeName(first)}`
  }

  /** What is there, in the stream's order. */
  ids(): AttributeId[] {
    return Array.from(this.#order.subarray(0, this.#count), id => id as AttributeId)
  }

  has(id: AttributeId): boolean {
    return (this.#present & (1 << id)) !== 0
  }

  start(id: AttributeId): number {
    return this.#starts[id] as number
  }

  end(id: AttributeId): number {
    return (this.#starts[id] as number) + (this.#lengths[id] as number)
  }

  length(id: AttributeId): number {
    return this.#lengths[id] as number
  }

  /** A view; copy it to keep it. */
  value(id: AttributeId): Uint8Array {
    return this.bytes.subarray(this.start(id), this.end(id))
  }

  /** Each byte one character: the only reading of a path that loses nothing. */
  latin1(id: AttributeId): string {
    this.#text ??= asBuffer(this.bytes)
    return this.#text.toString('latin1', this.start(id), this.end(id))
  }

  uuid(id: AttributeId): Uuid {
    return uuidFromBytes(this.value(id))
  }

  u32(id: AttributeId): number {
    return this.#u32At(this.start(id))
  }

  /** Rounded above 2^53; `top` tells whether that can be. */
  u64(id: AttributeId): number {
    const at = this.start(id)
    return this.#u32At(at) + this.#u32At(at + 4) * 0x1_0000_0000
  }

  /** The upper half of a u64. */
  top(id: AttributeId): number {
    return this.#u32At(this.start(id) + 4)
  }

  /** Whole seconds (rounded beyond 2^53) and nanoseconds of a timespec. */
  seconds(id: AttributeId): number {
    const at = this.start(id)
    return this.#u32At(at) + (this.#u32At(at + 4) | 0) * 0x1_0000_0000
  }

  nanoseconds(id: AttributeId): number {
    return this.#u32At(this.start(id) + 8)
  }

  #u32At(at: number): number {
    const bytes = this.bytes
    const low =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
    return (low | ((bytes[at + 3] as number) << 24)) >>> 0
  }
}
