import { InvitationWithdraw } from 'domain/contracts/functions.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { withdraw } from './withdraw.ts'

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
const vault = createVault(environment, ['settle', 'withdraw-begin'])
const store = createStore(environment, ['withdraw_invitation'])

Deno.serve(
  functionHandler({
    name: 'invitation-withdraw',
    request: InvitationWithdraw.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: (call) => withdraw({ vault, store }, call),
  }),
)
