import { CredentialReveal } from 'domain/contracts/functions.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier, requireAal2 } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { reveal } from './reveal.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'DASHBOARD_URL',
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SECRET_KEYS',
  'SUPABASE_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['credential-reveal', 'reveal-collect', 'reveal-deliver', 'settle'])
const store = createStore(environment, ['sealed_record'])

Deno.serve(
  functionHandler({
    name: 'credential-reveal',
    request: CredentialReveal.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: ({ input, ...call }) => {
      if (input.act === 'reveal') return reveal({ vault, store }, { ...call, input })
      requireAal2(call.user)
      const { act: _, ...request } = input
      return vault('reveal-collect', request, { userJwt: call.user.jwt, requestId: call.requestId })
    },
  }),
)
