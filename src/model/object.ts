// What is known of an object's bytes before they go to a store.

/** Hashes besides SHA-256 that some stores want: each costs CPU, so only where wanted. */
export type ObjectHash = 'crc32' | 'md5'

/** Bytes and what is known of them. The bytes must not change until put has settled. */
export interface NewObject {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly sha256: Uint8Array
  readonly crc32?: number
  readonly md5?: Uint8Array
}
