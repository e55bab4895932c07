import { z } from 'zod'

export const bytesOf = (length: number) =>
  z.instanceof(Uint8Array).refine((value) => value.byteLength === length, `expected ${length} bytes`)
export const bytes32 = bytesOf(32)

/** SQLite hands a blob out as an ArrayBuffer. */
export function fromBlob(blob: ArrayBuffer): Uint8Array {
  return new Uint8Array(blob)
}

/** A copy: what is a view into a larger buffer would take all of that along. */
export function toBlob(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}
