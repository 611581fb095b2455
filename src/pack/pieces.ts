// A sealed object in memory, in pieces: what was opened of it can go before the rest.

import { releaseBytes } from '../base/bytes.ts'

type Bytes = Uint8Array<ArrayBuffer>

export class Pieces {
  readonly length: number
  readonly #pieces: readonly Bytes[]
  readonly #ends: readonly number[]
  readonly #onReleased: (bytes: number) => void
  #releasedCount = 0

  /** Takes the pieces over. `onReleased` is told of each one's bytes, once. */
  constructor(pieces: readonly Bytes[], onReleased: (bytes: number) => void = () => {}) {
    let end = 0
    this.#ends = pieces.map(piece => (end += piece.length))
    this.length = end
    this.#pieces = pieces
    this.#onReleased = onReleased
  }

  /** A copy of [start, end), as far as there are bytes. An Error when some of it was released. */
  copy(start: number, end: number): Bytes {
    const from = Math.min(Math.max(start, 0), this.length)
    const out = new Uint8Array(Math.max(Math.min(end, this.length) - from, 0))
    let at = 0
    for (const [n, piece] of this.#pieces.entries()) {
      const pieceEnd = this.#ends[n] as number
      if (pieceEnd <= from || at === out.length) continue
      if (n < this.#releasedCount) throw new Error('these bytes were released')
      const pieceStart = pieceEnd - piece.length
      const part = piece.subarray(from + at - pieceStart, from + out.length - pieceStart)
      out.set(part, at)
      at += part.length
    }
    return out
  }

  /** Gives back the memory of every piece that ends there or before. */
  releaseBefore(end: number): void {
    for (;;) {
      const piece = this.#pieces[this.#releasedCount]
      if (piece === undefined || (this.#ends[this.#releasedCount] as number) > end) return
      this.#releasedCount += 1
      const { length } = piece
      releaseBytes(piece)
      this.#onReleased(length)
    }
  }

  release(): void {
    this.releaseBefore(this.length)
  }
}
