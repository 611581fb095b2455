// Names that are more than text. Each is made only by its parser.

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** 32 hexadecimal digits, random: one repository. */
export type RepositoryId = Branded<'RepositoryId'>
/** 32 hexadecimal digits: all backups of one source, signed by one key, in one repository. */
export type SeriesId = Branded<'SeriesId'>
/** 32 hexadecimal digits, random: one attempt at a backup. */
export type RunId = Branded<'RunId'>
/** 32 hexadecimal digits: an epoch of a series, without its name. */
export type EpochId = Branded<'EpochId'>
/** A btrfs subvolume's UUID, lower case with dashes. */
export type Uuid = Branded<'Uuid'>
/** 64 hexadecimal digits. */
export type Sha256 = Branded<'Sha256'>
/** The name of a source in the configuration. */
export type SourceName = Branded<'SourceName'>

export function asRepositoryId(text: string): RepositoryId | undefined {
  return isHex(text, 32) ? (text as RepositoryId) : undefined
}

export function asSeriesId(text: string): SeriesId | undefined {
  return isHex(text, 32) ? (text as SeriesId) : undefined
}

export function asRunId(text: string): RunId | undefined {
  return isHex(text, 32) ? (text as RunId) : undefined
}

export function asEpochId(text: string): EpochId | undefined {
  return isHex(text, 32) ? (text as EpochId) : undefined
}

export function asSha256(text: string): Sha256 | undefined {
  return isHex(text, 64) ? (text as Sha256) : undefined
}

export function asUuid(text: string): Uuid | undefined {
  const plain = text.toLowerCase()
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(plain) ? (plain as Uuid) : undefined
}

/** Letters, digits, `_`, `-` and `.`, beginning with a letter or digit, at most 64. */
export function asSourceName(text: string): SourceName | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text) ? (text as SourceName) : undefined
}

/** The 16 bytes of a stream's UUID attribute. */
export function uuidFromBytes(bytes: Uint8Array): Uuid {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return `${parts.join('-')}-${hex.slice(20)}` as Uuid
}

export function uuidToBytes(uuid: Uuid): Uint8Array {
  return new Uint8Array(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
}

function isHex(text: string, digits: number): boolean {
  return text.length === digits && /^[0-9a-f]+$/.test(text)
}
