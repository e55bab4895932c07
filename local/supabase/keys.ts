import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { z } from 'zod'

const SigningKey = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string(),
  kid: z.string(),
})
const KeyFile = z.object({
  publishable_key: z.string().startsWith('sb_publishable_'),
  secret_key: z.string().startsWith('sb_secret_'),
  signing_key: SigningKey,
})
export type SigningKey = z.infer<typeof SigningKey>
export type SupabaseKeys = z.infer<typeof KeyFile>

const API_KEY_BYTES = 24

/** The project's API keys and the key that signs access tokens: made at first boot, kept in a file of mode 0600. */
export async function keptKeys(path: string): Promise<SupabaseKeys> {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.new`, `${JSON.stringify(await newKeys(), null, 2)}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  return KeyFile.parse(JSON.parse(readFileSync(path, 'utf8')))
}

async function newKeys(): Promise<SupabaseKeys> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  return KeyFile.parse({
    publishable_key: `sb_publishable_${randomBytes(API_KEY_BYTES).toString('base64url')}`,
    secret_key: `sb_secret_${randomBytes(API_KEY_BYTES).toString('base64url')}`,
    signing_key: { ...jwk, kid: await calculateJwkThumbprint(jwk) },
  })
}

/** Which role an `apikey` header stands for. Unknown keys stand for none. */
export function apiKeyRole(keys: SupabaseKeys, given: string | null): 'anon' | 'service_role' | undefined {
  if (given === null) return undefined
  if (isSame(given, keys.publishable_key)) return 'anon'
  return isSame(given, keys.secret_key) ? 'service_role' : undefined
}

/** Hashed first, so that neither the length nor the place of the first difference shows in the time taken. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
