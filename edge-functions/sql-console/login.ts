import { fromBase64Url, utf8, uuidToBytes } from 'domain/bytes.ts'
import type { TenantId } from 'domain/contracts/ids.ts'
import { hkdf, hmac } from 'domain/envelope/primitives.ts'

/** A tenant's password follows from the function's secret and is stored nowhere; Postgres gets the verifier alone. */
export type ConsoleLogin = { readonly password: string; readonly verifier: string }

const SALT_BYTES = 16
/** Postgres's own default. The password has 256 random bits: rounds add nothing to it. */
const ITERATIONS = 4096

export async function consoleLogin(key: string, tenantId: TenantId): Promise<ConsoleLogin> {
  const secret = fromBase64Url(key)
  if (!secret.ok) throw new Error('environment: CONSOLE_LOGIN_KEY missing or malformed')
  const derive = (purpose: string) =>
    hkdf({ key: secret.value, salt: uuidToBytes(tenantId), info: utf8(`flarewatch/console-${purpose}/v1`) })
  const password = base64(await derive('password'))
  const salt = (await derive('salt')).slice(0, SALT_BYTES)
  return { password, verifier: await scramVerifier(password, salt) }
}

/** RFC 5803's form, as Postgres takes it in place of a password. */
async function scramVerifier(password: string, salt: Uint8Array<ArrayBuffer>): Promise<string> {
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(password), 'PBKDF2', false, ['deriveBits'])
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ITERATIONS }
  const salted = new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 256))
  const clientKey = await hmac(salted, utf8('Client Key'))
  const storedKey = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(clientKey)))
  const serverKey = await hmac(salted, utf8('Server Key'))
  return `SCRAM-SHA-256$${ITERATIONS}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}
