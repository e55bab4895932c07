import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { toBase64Url, utf8 } from '../bytes.ts'
import type { Secret } from '../secret.ts'

const PREFIX = 'fwinv_'
const CONTEXT = 'flarewatch/invitation/v1'

/**
 * The token of an invitation: HMAC-SHA256 of its id, 256 bits. Whoever has the key makes it again, so it is kept nowhere: the
 * database has the id and the token's hash, and neither leads to the token (T2).
 */
export function invitationToken(key: Secret, invitationId: string): string {
  return key.use((_, bytes) => `${PREFIX}${toBase64Url(hmac(sha256, bytes, utf8(`${CONTEXT}\0${invitationId}`)))}`)
}

/** What is stored of a token. It has nothing that could be guessed, so one round of SHA-256 is enough. */
export function invitationTokenHash(token: string): string {
  return toBase64Url(sha256(utf8(token)))
}
