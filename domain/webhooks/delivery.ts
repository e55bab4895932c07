import { lengthPrefixed, utf8 } from '../bytes.ts'
import { failure, type Result, success } from '../result.ts'

/** What is kept of a delivery once it is judged: the body to the byte, and the id that came beside it. */
export type Delivery = { readonly messageId: string; readonly body: Uint8Array }

const LENGTH_BYTES = 4

/** The plaintext of a sealed delivery: both fields behind their lengths (docs/formats.md). */
export function packDelivery({ messageId, body }: Delivery): Uint8Array {
  return lengthPrefixed(utf8(messageId), body)
}

export function unpackDelivery(packed: Uint8Array): Result<Delivery, 'delivery_malformed'> {
  const id = fieldAt(packed, 0)
  const body = id === undefined ? undefined : fieldAt(packed, LENGTH_BYTES + id.length)
  if (id === undefined || body === undefined) return failure('delivery_malformed')
  if (packed.length !== 2 * LENGTH_BYTES + id.length + body.length) return failure('delivery_malformed')
  return success({ messageId: new TextDecoder().decode(id), body })
}

function fieldAt(packed: Uint8Array, offset: number): Uint8Array | undefined {
  if (packed.length < offset + LENGTH_BYTES) return undefined
  const length = new DataView(packed.buffer, packed.byteOffset + offset, LENGTH_BYTES).getUint32(0)
  const end = offset + LENGTH_BYTES + length
  return packed.length < end ? undefined : packed.subarray(offset + LENGTH_BYTES, end)
}
