import { CredentialStore } from 'domain/contracts/functions.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { deposit } from './deposit.ts'

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
const store = createStore(environment, ['idempotent_response', 'store_credential'])

Deno.serve(
  functionHandler({
    name: 'credential-store',
    request: CredentialStore.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: (call) => deposit({ vault, store, apiUrls: environment }, call),
  }),
)
