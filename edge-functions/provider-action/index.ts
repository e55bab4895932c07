import { ProviderAction } from 'domain/contracts/functions.ts'
import type { z } from 'zod'
import { readEnvironment } from '../_shared/environment.ts'
import { type Call, functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { purgeCache } from './cloudflare.ts'
import { type ProviderParts, perform } from './perform.ts'
import { readSuppressions, removeSuppression, verifyDomain } from './resend.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'CLOUDFLARE_API_URL',
  'DASHBOARD_URL',
  'RESEND_API_URL',
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SECRET_KEYS',
  'SUPABASE_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['credential-open', 'settle'])
const store = createStore(environment, ['idempotent_response', 'keep_response', 'sealed_credential'])
const parts: ProviderParts = {
  vault,
  store,
  apiUrls: { cloudflare: environment.CLOUDFLARE_API_URL, resend: environment.RESEND_API_URL },
}

Deno.serve(
  functionHandler({
    name: 'provider-action',
    request: ProviderAction.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: performAsked,
  }),
)

function performAsked(call: Call<z.infer<typeof ProviderAction.request>>): Promise<unknown> {
  const { input } = call
  if ('purge' in input) return perform(parts, purgeCache, { ...call, input })
  if ('verify' in input) return perform(parts, verifyDomain, { ...call, input })
  if ('remove_suppression' in input) return perform(parts, removeSuppression, { ...call, input })
  return perform(parts, readSuppressions, { ...call, input })
}
