import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** The client's half of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677). */
export type ScramExchange = {
  readonly mechanism: 'SCRAM-SHA-256'
  readonly first: string
  /** Answers the server's first message. */
  readonly final: (serverFirst: string) => Promise<string>
  /** Proves that the server knows the password too. */
  readonly isServerProven: (serverFinal: string) => boolean
}

const NONCE_BYTES = 18
const HASH_BYTES = 32
/** "n,,": no channel binding, no other authorisation identity; repeated in the final message. */
const GS2_HEADER = 'n,,'
const derive = promisify(pbkdf2)

export function beginScram(password: string): ScramExchange {
  const clientNonce = randomBytes(NONCE_BYTES).toString('base64')
  // Postgres ignores the name here: the startup message has it.
  const firstBare = `n=,r=${clientNonce}`
  let serverSignature: Buffer | undefined
  return {
    mechanism: 'SCRAM-SHA-256',
    first: `${GS2_HEADER}${firstBare}`,
    async final(serverFirst) {
      const { nonce, salt, iterations } = readServerFirst(serverFirst, clientNonce)
      const salted = await derive(password, salt, iterations, HASH_BYTES, 'sha256')
      const clientKey = hmac(salted, 'Client Key')
      const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`
      const authMessage = `${firstBare},${serverFirst},${withoutProof}`
      const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage)
      const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)))
      serverSignature = hmac(hmac(salted, 'Server Key'), authMessage)
      return `${withoutProof},p=${proof.toString('base64')}`
    },
    isServerProven(serverFinal) {
      const given = Buffer.from(attributes(serverFinal).get('v') ?? '', 'base64')
      return serverSignature !== undefined && given.length === HASH_BYTES && timingSafeEqual(given, serverSignature)
    },
  }
}

function readServerFirst(text: string, clientNonce: string) {
  const fields = attributes(text)
  const nonce = fields.get('r') ?? ''
  const iterations = Number(fields.get('i'))
  if (!nonce.startsWith(clientNonce) || !Number.isInteger(iterations) || iterations < 1) {
    throw new Error('the server answered SCRAM with something else')
  }
  return { nonce, iterations, salt: Buffer.from(fields.get('s') ?? '', 'base64') }
}

function attributes(text: string): Map<string, string> {
  return new Map(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
