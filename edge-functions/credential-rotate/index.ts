import { CredentialRotate } from 'domain/contracts/functions.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { rotate } from './rotate.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'CLIENT_SUPABASE_API_URL',
  'CLOUDFLARE_API_URL',
  'DASHBOARD_URL',
  'RESEND_API_URL',
  'STRIPE_API_URL',
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SECRET_KEYS',
  'SUPABASE_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['credential-seal', 'settle'])
const store = createStore(environment, ['idempotent_response', 'rotate_credential'])

Deno.serve(
  functionHandler({
    name: 'credential-rotate',
    request: CredentialRotate.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: (call) => rotate({ vault, store, apiUrls: environment }, call),
  }),
)
