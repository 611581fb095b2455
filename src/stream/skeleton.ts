// The skeleton of a stream: all its bytes but the payloads. Gathered into pieces large enough to
// be worth passing on.

const pieceBytes = 64 * 1024

export class SkeletonPieces {
  readonly #onPiece: (piece: Uint8Array<ArrayBuffer>) => void
  #piece = new Uint8Array(pieceBytes)
  #filled = 0

  /** Every piece but the last has 64 KiB. A piece is the receiver's own, never written to again. */
  constructor(onPiece: (piece: Uint8Array<ArrayBuffer>) => void) {
    this.#onPiece = onPiece
  }

  /** Copies `bytes[start, end)`. */
  add(bytes: Uint8Array, start: number, end: number): void {
    let at = start
    while (at < end) {
      const take = Math.min(end - at, pieceBytes - this.#filled)
      this.#piece.set(bytes.subarray(at, at + take), this.#filled)
      this.#filled += take
      at += take
      if (this.#filled === pieceBytes) this.#pass()
    }
  }

  finish(): void {
    if (this.#filled > 0) this.#pass()
  }

  #pass(): void {
    const piece = this.#piece
    const filled = this.#filled
    this.#piece = new Uint8Array(pieceBytes)
    this.#filled = 0
    this.#onPiece(filled === pieceBytes ? piece : piece.slice(0, filled))
  }
}
