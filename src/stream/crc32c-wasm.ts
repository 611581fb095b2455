// CRC-32C in WebAssembly: assembled here, instruction by instruction, so that what runs can be read.
//
// Bulk: four 16-byte blocks are held in vector registers. To move on by 64 bytes, each of their
// bytes is replaced by what it would leave in a CRC register 64 bytes later. That value has four
// bytes and is XORed onto the four message bytes that start 64 further on, just as a CRC register
// is XORed onto the next bytes of a message. The four result bytes ("planes") are looked up for 16
// bytes at once, by low and high nibble, with byte shuffles; plane p belongs p bytes further right,
// which is a shift across neighbouring blocks. No step waits for the one before it, which is what
// makes this faster than tables: a table walk needs each register before it can fetch the next.
//
// What is left (the last four blocks, then the tail) goes through eight plain tables.

export interface CompiledCrc32c {
  instantiate(windowBytes: number, tables: Crc32cTables): Crc32cInstance
}

export interface Crc32cTables {
  /** 8 × 256 registers: table n is for a byte with n more bytes after it. */
  readonly slicing: Uint32Array
  /** 256 registers: a byte's share 64 bytes later. */
  readonly fold: Uint32Array
}

export interface Crc32cInstance {
  readonly memory: ArrayBuffer
  readonly windowStart: number
  crc(crc: number, start: number, end: number): number
}

/** The parts of WebAssembly's JavaScript interface that we use; Node's types do not have them. */
interface WebAssemblyRuntime {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: object }
  validate(bytes: Uint8Array): boolean
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  readonly crc: (crc: number, start: number, end: number) => number
}

// Memory: slicing tables, nibble tables (low and high for each plane), spilled blocks, window.
const nibbleStart = 8192
const spillStart = nibbleStart + 128
const windowStart = 16_384
const pageBytes = 65_536

/** Undefined where the process has no WebAssembly, or one without relaxed SIMD. */
export function compileCrc32c(): CompiledCrc32c | undefined {
  const runtime = (globalThis as { WebAssembly?: WebAssemblyRuntime }).WebAssembly
  const code = assembleModule()
  if (runtime === undefined || !runtime.validate(code)) return undefined
  const module = new runtime.Module(code)
  return {
    instantiate(windowBytes, tables) {
      const { memory, crc } = new runtime.Instance(module).exports as Exports
      memory.grow(Math.ceil((windowStart + windowBytes) / pageBytes) - 1)
      new Uint32Array(memory.buffer, 0, 2048).set(tables.slicing)
      new Uint8Array(memory.buffer, nibbleStart, 128).set(nibbleTables(tables.fold))
      return { memory: memory.buffer, windowStart, crc }
    },
  }
}

/** For each of the four result bytes: its value for the 16 low nibbles, then for the 16 high ones. */
function nibbleTables(fold: Uint32Array): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, at) => {
    const plane = at >> 5
    const nibble = at & 15
    const register = fold[at & 16 ? nibble << 4 : nibble] as number
    return (register >>> (8 * plane)) & 255
  })
}

/** Instructions, nested as it reads best; flattened where their length is needed. */
type Code = readonly (number | Code)[]

const i32 = 0x7f
const v128 = 0x7b

export function assembleModule(): Uint8Array<ArrayBuffer> {
  const registerType = [0x60, vector([i32, i32, i32]), vector([i32])]
  return Uint8Array.from(
    flat([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector([registerType])),
      section(3, vector([0, 0])),
      section(5, vector([[0x00, 1]])),
      section(7, vector([exported('memory', 2, 0), exported('crc', 0, 1)])),
      section(10, vector([sized(tableWalk()), sized(bulk())])),
    ]),
  )
}

// Locals 0 to 2 of both functions: the register, the next byte's address, the end's address.
const crc = 0
const at = 1
const end = 2

/** Function 0: eight bytes a step through the tables, then one by one. */
function tableWalk(): Code {
  const low = 3
  const high = 4
  const scaled = [constant(2), op.shiftLeft]
  /** XORs what the four bytes of `word` leave, the first with `table` more bytes after it. */
  const lookUp = (word: number, table: number) => [
    [get(word), constant(255), op.and, scaled, loadI32(table * 1024), op.xor],
    [get(word), constant(8), op.shiftRight, constant(255), op.and],
    [scaled, loadI32((table - 1) * 1024), op.xor],
    [get(word), constant(16), op.shiftRight, constant(255), op.and],
    [scaled, loadI32((table - 2) * 1024), op.xor],
    [get(word), constant(24), op.shiftRight, scaled, loadI32((table - 3) * 1024), op.xor],
  ]
  const eightBytes = [
    [get(crc), get(at), loadI32(0), op.xor, set(low)],
    [get(at), loadI32(4), set(high)],
    [constant(0), lookUp(low, 7), lookUp(high, 3), set(crc)],
    advance(8),
  ]
  const oneByte = [
    [get(crc), get(at), op.loadByte, op.xor, constant(255), op.and, scaled, loadI32(0)],
    [get(crc), constant(8), op.shiftRight, op.xor, set(crc)],
    advance(1),
  ]
  return [
    vector([[2, i32]]),
    whileTrue([get(end), get(at), op.subtract, constant(8), op.atLeast], eightBytes),
    whileTrue([get(at), get(end), op.notEqual], oneByte),
    [get(crc), op.end],
  ]
}

// Further locals of function 1, all vectors.
const block = (n: number) => 3 + n
/** Planes 1 to 3 of the block before, whose last bytes spill into this one. */
const carried = (plane: number) => 6 + plane
const fresh = (plane: number) => 10 + plane
const low = 14
const high = 15
const table = (n: number) => 16 + n

/** Function 1, the exported one: folds 64 bytes a step where that pays, then walks the tables. */
function bulk(): Code {
  const blocks = [0, 1, 2, 3]
  const begin = [
    blocks.map(n => [get(at), loadV128(16 * n), set(block(n))]),
    [get(block(0)), zero, get(crc), op.insertFirst, op.vectorXor, set(block(0))],
    [0, 1, 2, 3, 4, 5, 6, 7].map(n => [constant(nibbleStart), loadV128(16 * n), set(table(n))]),
    advance(64),
  ]
  const finish = [
    blocks.map(n => [constant(spillStart), get(block(n)), storeV128(16 * n)]),
    [constant(0), constant(spillStart), constant(spillStart + 64), op.callTableWalk],
    // What spilled past the last block is XORed onto the bytes that follow, as a register is.
    [zero, [1, 2, 3].map(plane => [get(carried(plane)), zero, shiftedIn(plane), op.vectorXor])],
    [op.extractFirst, op.xor, set(crc)],
  ]
  return [
    vector([[21, v128]]),
    [get(end), get(at), op.subtract, constant(128), op.atLeast, op.if],
    begin,
    whileTrue(
      [get(end), get(at), op.subtract, constant(64), op.atLeast],
      [blocks.map(foldBlock), advance(64)],
    ),
    finish,
    op.end,
    [get(crc), get(at), get(end), op.callTableWalk, op.end],
  ]
}

/** Block n becomes the message block 64 bytes on, with everything XORed onto it. */
function foldBlock(n: number): Code {
  return [
    [get(block(n)), lowNibbles, op.vectorAnd, set(low)],
    [get(block(n)), constant(4), op.shiftWords, lowNibbles, op.vectorAnd, set(high)],
    [0, 1, 2, 3].map(plane => [
      [get(table(2 * plane)), get(low), op.swizzle],
      [get(table(2 * plane + 1)), get(high), op.swizzle],
      [op.vectorXor, set(fresh(plane))],
    ]),
    [get(at), loadV128(16 * n), get(fresh(0)), op.vectorXor],
    [1, 2, 3].map(plane => [
      get(carried(plane)),
      get(fresh(plane)),
      shiftedIn(plane),
      op.vectorXor,
    ]),
    set(block(n)),
    [1, 2, 3].map(plane => [get(fresh(plane)), set(carried(plane))]),
  ]
}

// The instructions, by what they do here. All comparisons are unsigned.
const op = {
  end: [0x0b],
  if: [0x04, 0x40],
  and: [0x71],
  xor: [0x73],
  subtract: [0x6b],
  shiftLeft: [0x74],
  shiftRight: [0x76],
  atLeast: [0x4f],
  notEqual: [0x47],
  loadByte: [0x2d, 0, 0],
  callTableWalk: [0x10, 0],
  vectorAnd: [0xfd, 0x4e],
  vectorXor: [0xfd, 0x51],
  /** i16x8.shr_u */
  shiftWords: [0xfd, 0x8d, 0x01],
  /** i8x16.relaxed_swizzle: our indices are below 16, where it has only one meaning. */
  swizzle: [0xfd, 0x80, 0x02],
  insertFirst: [0xfd, 0x1c, 0],
  extractFirst: [0xfd, 0x1b, 0],
} as const

const zero = vectorConstant(0)
const lowNibbles = vectorConstant(15)

function get(local: number): Code {
  return [0x20, local]
}

function set(local: number): Code {
  return [0x21, local]
}

function constant(value: number): Code {
  return [0x41, signedLeb(value)]
}

function vectorConstant(byte: number): Code {
  return [0xfd, 0x0c, Array.from({ length: 16 }, () => byte)]
}

function loadI32(offset: number): Code {
  return [0x28, 0, leb(offset)]
}

function loadV128(offset: number): Code {
  return [0xfd, 0x00, 0, leb(offset)]
}

function storeV128(offset: number): Code {
  return [0xfd, 0x0b, 0, leb(offset)]
}

/** Of two vectors end to end, the 16 bytes that start `count` before the second. */
function shiftedIn(count: number): Code {
  return [0xfd, 0x0d, Array.from({ length: 16 }, (_, lane) => 16 - count + lane)]
}

function advance(bytes: number): Code {
  return [get(at), constant(bytes), 0x6a, set(at)]
}

/** block { loop { if not condition: leave; body; again } } */
function whileTrue(condition: Code, body: Code): Code {
  return [[0x02, 0x40, 0x03, 0x40], condition, [0x45, 0x0d, 1], body, [0x0c, 0], op.end, op.end]
}

function section(id: number, content: Code): Code {
  return [id, sized(content)]
}

function exported(name: string, kind: number, index: number): Code {
  return [sized(Array.from(name, letter => letter.charCodeAt(0))), kind, index]
}

function vector(items: Code): Code {
  return [leb(items.length), items]
}

function sized(content: Code): Code {
  return [leb(flat(content).length), content]
}

function flat(code: Code): number[] {
  return code.flatMap(part => (typeof part === 'number' ? part : flat(part)))
}

function leb(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, leb(value >>> 7)]
}

function signedLeb(value: number): Code {
  return value < 64 ? [value] : [(value & 127) | 128, signedLeb(value >>> 7)]
}
