// Bytes of any length in, whole frames out; never across a segment's end.

import { frameSize } from './frame.ts'

export class FrameCutter {
  #frame = new Uint8Array(frameSize)
  #filled = 0;

  /** Yields each frame that became full. */
  *write(bytes: Uint8Array): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
    let rest = bytes
    while (rest.length > 0) {
      const taken = rest.subarray(0, frameSize - this.#filled)
      this.#frame.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled === frameSize) yield this.#take()
    }
  }

  /** The last, shorter frame, or undefined when nothing is left. */
  finish(): Uint8Array<ArrayBuffer> | undefined {
    return this.#filled > 0 ? this.#take() : undefined
  }

  #take(): Uint8Array<ArrayBuffer> {
    const frame = this.#filled === frameSize ? this.#frame : this.#frame.slice(0, this.#filled)
    this.#frame = new Uint8Array(frameSize)
    this.#filled = 0
    return frame
  }
}
