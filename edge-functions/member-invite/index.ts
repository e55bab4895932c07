import { MemberInvite } from 'domain/contracts/functions.ts'
import { Secret } from 'domain/secret.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { invite } from './invite.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'DASHBOARD_URL',
  'INVITATION_KEY',
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SECRET_KEYS',
  'SUPABASE_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['act-begin', 'settle'])
const store = createStore(environment, ['invite_member'])
const key = Secret.fromText(environment.INVITATION_KEY)

Deno.serve(
  functionHandler({
    name: 'member-invite',
    request: MemberInvite.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: (call) => invite({ vault, store, key }, call),
  }),
)
