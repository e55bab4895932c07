/** The Postgres wire protocol, version 3 ("Frontend/Backend Protocol", message formats), as far as a pool needs it. */

export const PROTOCOL_VERSION = 196_608
export const SSL_REQUEST = 80_877_103
export const GSS_REQUEST = 80_877_104
export const CANCEL_REQUEST = 80_877_102

/** A tagged message is one type byte, then a length that counts itself but not the type. */
const HEADER_BYTES = 5
/** Larger than any statement or row of ours; what exceeds it is not a client of ours. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024
export const MAX_STARTUP_BYTES = 10_000

export type Frame = { readonly type: string; readonly body: Buffer; readonly bytes: Buffer }

export class ProtocolError extends Error {}

/** Cuts a byte stream into messages, whatever the boundaries it arrives in. */
export class FrameReader {
  #pending: Buffer[] = []
  #length = 0

  read(chunk: Buffer): Frame[] {
    this.#pending.push(chunk)
    this.#length += chunk.length
    // Large messages arrive in many chunks: they are joined once, when all is there.
    if (this.#length < HEADER_BYTES || this.#length < this.#needed()) return []
    const buffer = this.#join()
    const frames: Frame[] = []
    let at = 0
    while (buffer.length - at >= HEADER_BYTES) {
      const end = at + frameLength(buffer, at)
      if (end > buffer.length) break
      frames.push(frameAt(buffer, at, end))
      at = end
    }
    this.#reset(buffer.subarray(at))
    return frames
  }

  #needed(): number {
    const [first] = this.#pending
    const head = first !== undefined && first.length >= HEADER_BYTES ? first : this.#join()
    return frameLength(head, 0)
  }

  #join(): Buffer {
    const buffer = Buffer.concat(this.#pending, this.#length)
    this.#reset(buffer)
    return buffer
  }

  #reset(rest: Buffer): void {
    this.#pending = rest.length > 0 ? [rest] : []
    this.#length = rest.length
  }
}

function frameLength(buffer: Buffer, at: number): number {
  const length = buffer.readUInt32BE(at + 1)
  if (length < 4 || length > MAX_MESSAGE_BYTES) throw new ProtocolError(`a message of ${length} bytes`)
  return length + 1
}

function frameAt(buffer: Buffer, at: number, end: number): Frame {
  const type = String.fromCharCode(buffer.readUInt8(at))
  return { type, body: buffer.subarray(at + HEADER_BYTES, end), bytes: buffer.subarray(at, end) }
}

export function message(type: string, ...body: readonly Buffer[]): Buffer {
  const content = Buffer.concat(body)
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(content.length + 4), content])
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf8')
}

/** `name\0value\0...\0`: a startup message's parameters. */
export function readParameters(body: Buffer): Map<string, string> {
  const parts = body.toString('utf8').split('\0')
  const parameters = new Map<string, string>()
  for (let index = 0; index + 1 < parts.length && parts[index] !== ''; index += 2) {
    parameters.set(parts[index] ?? '', parts[index + 1] ?? '')
  }
  return parameters
}

export function startupMessage(parameters: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [cString(name), cString(value)])
  const body = Buffer.concat([int32(PROTOCOL_VERSION), ...pairs, Buffer.from([0])])
  return Buffer.concat([int32(body.length + 4), body])
}

export function cancelMessage(key: Buffer): Buffer {
  return Buffer.concat([int32(8 + key.length), int32(CANCEL_REQUEST), key])
}

export function errorMessage(sqlState: string, text: string): Buffer {
  const fields = [`SFATAL`, 'VFATAL', `C${sqlState}`, `M${text}`].map(cString)
  return message('E', ...fields, Buffer.from([0]))
}

/** SQLSTATE and text of an ErrorResponse. */
export function readError(body: Buffer): { readonly code: string; readonly text: string } {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  )
  return { code: fields.get('C') ?? 'XX000', text: fields.get('M') ?? 'unknown error' }
}
