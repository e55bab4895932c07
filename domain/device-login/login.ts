import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64Url, lengthPrefixed, toBase64Url, u64be, utf8 } from '../bytes.ts'
import { RECOVERY_ALPHABET, typedSigns } from '../contracts/recovery-code.ts'

/** A login that a command line began: whom its session is to be sealed to, where that waits, and until when. Nothing of it is secret. */
export type DeviceLogin = {
  readonly publicKey: Uint8Array
  readonly pickupId: Uint8Array
  /** Unix seconds. */
  readonly until: number
}

export const LOGIN_SECRET_BYTES = 32
const PUBLIC_KEY_BYTES = 32
const CODE_SIGNS = 8
const BITS_A_SIGN = 5
const CODE_LABEL = utf8('flarewatch/device-login-code/v1')
const PICKUP_LABEL = utf8('flarewatch/device-login-pickup/v1')

/** The name under which an answer waits. Whoever knows it alone, as the browser does, cannot take what waits there. */
export function loginPickupIdOf(pickupSecret: Uint8Array): Uint8Array {
  return sha256(lengthPrefixed(PICKUP_LABEL, pickupSecret))
}

/**
 * What a person types from the terminal into the page: 40 bits over everything that the address brings, and the origin. An address
 * that was swapped on its way, or leads to another deployment's page, has another code.
 */
export function loginCodeOf({ publicKey, pickupId, until }: DeviceLogin, origin: string): string {
  const digest = sha256(lengthPrefixed(CODE_LABEL, utf8(origin), publicKey, pickupId, u64be(until)))
  const bits = Array.from(digest, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const signs = Array.from({ length: CODE_SIGNS }, (_, index) => {
    const at = index * BITS_A_SIGN
    return RECOVERY_ALPHABET.charAt(Number.parseInt(bits.slice(at, at + BITS_A_SIGN), 2))
  }).join('')
  return `${signs.slice(0, CODE_SIGNS / 2)}-${signs.slice(CODE_SIGNS / 2)}`
}

/** Whether a person typed this code: groups or none, either case. */
export function isLoginCode(typed: string, code: string): boolean {
  return typedSigns(typed) === typedSigns(code)
}

/** What stands behind the `#` of the page's address, which no server gets to see. */
export function loginFragment({ publicKey, pickupId, until }: DeviceLogin): string {
  const fields = { key: toBase64Url(publicKey), pickup: toBase64Url(pickupId), until: String(until) }
  return new URLSearchParams(fields).toString()
}

/** Null for a fragment that no command made. */
export function loginOfFragment(fragment: string): DeviceLogin | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''))
  const [publicKey, pickupId] = [fields.get('key'), fields.get('pickup')].map((text) => fromBase64Url(text ?? ''))
  const until = fields.get('until') ?? ''
  if (publicKey?.ok !== true || publicKey.value.length !== PUBLIC_KEY_BYTES) return null
  if (pickupId?.ok !== true || pickupId.value.length !== LOGIN_SECRET_BYTES) return null
  if (!/^\d{1,12}$/.test(until)) return null
  return { publicKey: publicKey.value, pickupId: pickupId.value, until: Number(until) }
}
