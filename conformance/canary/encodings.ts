/** The forms in which a secret may have been written down, each as the bytes that would then be found. */
export type Encoding =
  | 'raw'
  | 'utf-16'
  | 'base64'
  | 'base64-shifted-1'
  | 'base64-shifted-2'
  | 'base64url'
  | 'base64url-shifted-1'
  | 'base64url-shifted-2'
  | 'hex'
  | 'hex-upper'
  | 'json'
  | 'json-unicode'
  | 'percent'
  | 'percent-all'
  | 'percent-all-lower'

const ENCODERS: Record<Encoding, (secret: Buffer) => Buffer> = {
  raw: (secret) => secret,
  'utf-16': (secret) => Buffer.from(secret.toString('latin1'), 'utf16le'),
  base64: (secret) => text(base64(secret, 0)),
  'base64-shifted-1': (secret) => text(base64(secret, 1)),
  'base64-shifted-2': (secret) => text(base64(secret, 2)),
  base64url: (secret) => text(urlSafe(base64(secret, 0))),
  'base64url-shifted-1': (secret) => text(urlSafe(base64(secret, 1))),
  'base64url-shifted-2': (secret) => text(urlSafe(base64(secret, 2))),
  hex: (secret) => text(secret.toString('hex')),
  'hex-upper': (secret) => text(secret.toString('hex').toUpperCase()),
  json: (secret) => text(JSON.stringify(secret.toString('latin1')).slice(1, -1)),
  'json-unicode': (secret) => text(everyByte(secret, (byte) => `\\u${byte.toString(16).padStart(4, '0')}`)),
  percent: (secret) => text(encodeURIComponent(secret.toString('latin1'))),
  'percent-all': (secret) => text(everyByte(secret, (byte) => `%${hexByte(byte).toUpperCase()}`)),
  'percent-all-lower': (secret) => text(everyByte(secret, (byte) => `%${hexByte(byte)}`)),
}
export const ENCODINGS = Object.keys(ENCODERS) as Encoding[]

export function encode(secret: Buffer, encoding: Encoding): Buffer {
  return ENCODERS[encoding](secret)
}

/**
 * Base64 of a secret that begins `shift` bytes into a group of three: what its neighbours share a character with is cut
 * off, so that the rest is the same whatever stands before and behind it.
 */
function base64(secret: Buffer, shift: number): string {
  const padded = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64')
  const from = Math.ceil((shift * 8) / 6)
  const to = Math.floor(((shift + secret.length) * 8) / 6)
  return padded.slice(from, to)
}

function urlSafe(encoded: string): string {
  return encoded.replaceAll('+', '-').replaceAll('/', '_')
}

function everyByte(secret: Buffer, write: (byte: number) => string): string {
  return [...secret].map(write).join('')
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function text(written: string): Buffer {
  return Buffer.from(written, 'latin1')
}
