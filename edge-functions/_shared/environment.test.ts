import { expect, test } from 'vitest'
import { readEnvironment, secretKey } from './environment.ts'

const VALUES: Record<string, string> = {
  SUPABASE_URL: 'http://127.0.0.1:1',
  SUPABASE_SECRET_KEYS: '{"default":"sb_secret_hosted"}',
  VAULT_SERVICE_KEY: '{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA","alg":"EdDSA"}',
  VAULT_URL: 'not a url, but a secret',
}
const get = (name: string) => VALUES[name]

test('a malformed variable is a refusal that names it and not its value', () => {
  expect(() => readEnvironment(get, ['SUPABASE_URL', 'VAULT_URL', 'AUTH_ISSUER'])).toThrow(
    new Error('environment: AUTH_ISSUER, VAULT_URL missing or malformed'),
  )
})

test('the secret key comes from the hosted dictionary, or else from the single variable', () => {
  const hosted = readEnvironment(get, ['SUPABASE_SECRET_KEY', 'SUPABASE_SECRET_KEYS'])
  expect(secretKey(hosted)).toBe('sb_secret_hosted')
  const single = readEnvironment(
    (name) => (name === 'SUPABASE_SECRET_KEY' ? 'sb_secret_one' : undefined),
    ['SUPABASE_SECRET_KEY', 'SUPABASE_SECRET_KEYS'],
  )
  expect(secretKey(single)).toBe('sb_secret_one')
  expect(() => secretKey({ SUPABASE_SECRET_KEY: undefined, SUPABASE_SECRET_KEYS: undefined })).toThrow(
    'SUPABASE_SECRET_KEYS',
  )
})

test('a service key is an Ed25519 private key', () => {
  expect(readEnvironment(get, ['VAULT_SERVICE_KEY']).VAULT_SERVICE_KEY.crv).toBe('Ed25519')
  expect(() => readEnvironment(() => 'sb_secret {', ['VAULT_SERVICE_KEY'])).toThrow(
    new Error('environment: VAULT_SERVICE_KEY missing or malformed'),
  )
})
