// The tables of CRC-32C. A CRC is linear: the register after a message is the XOR of what each of
// its bytes alone would leave behind, so a byte's share may be looked up whatever follows it.

/** What one byte leaves in an empty register. */
export const byteTable: Uint32Array = makeByteTable()

/** Eight tables of 256, end to end: table n is for a byte with n more bytes after it. */
export const slicingTables: Uint32Array = makeSlicingTables()

/** What each byte leaves in an empty register once it and `distance - 1` zero bytes have passed. */
export function advanceTable(distance: number): Uint32Array {
  const table = Uint32Array.from(byteTable)
  for (let step = 1; step < distance; step += 1) advance(table)
  return table
}

function makeByteTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0)
    return value >>> 0
  })
}

function makeSlicingTables(): Uint32Array {
  const tables = new Uint32Array(8 * 256)
  const table = Uint32Array.from(byteTable)
  for (let n = 0; n < 8; n += 1) {
    tables.set(table, n * 256)
    advance(table)
  }
  return tables
}

/** Lets one zero byte pass through each register. */
function advance(registers: Uint32Array): void {
  for (const [index, value] of registers.entries()) {
    registers[index] = (byteTable[value & 255] as number) ^ (value >>> 8)
  }
}
