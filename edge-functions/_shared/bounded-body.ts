import { Refused } from './errors.ts'

/** Reads a body up to a limit; what is larger is cut off before it is held. `undefined` stands for "too large". */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > limit) return undefined
    chunks.push(chunk)
  }
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** JSON text to a value; a parser's error quotes its input, so it never leaves here. `undefined` stands for "not JSON". */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

export const MAX_REQUEST_BYTES = 8 * 1024

export async function readRequestJson(request: Request): Promise<unknown> {
  const bytes = await readBounded(request.body, MAX_REQUEST_BYTES)
  if (bytes === undefined) throw new Refused('request_too_large')
  const value = parseJson(bytes)
  bytes.fill(0)
  if (value === undefined) throw new Refused('request_invalid')
  return value
}
