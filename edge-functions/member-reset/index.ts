import { MemberReset } from 'domain/contracts/functions.ts'
import { createAuthAdmin } from '../_shared/auth-admin.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { reset } from './reset.ts'

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
const vault = createVault(environment, ['act-begin', 'recovery-begin', 'settle', 'withdraw-begin'])
const store = createStore(environment, [
  'cancel_member_reset',
  'close_member_reset',
  'own_member_reset',
  'recovery_codes_left',
  'replace_recovery_codes',
  'request_member_reset',
  'start_reset_finish',
  'try_recovery_code',
  'use_recovery_code',
])
const authAdmin = createAuthAdmin(environment)

Deno.serve(
  functionHandler({
    name: 'member-reset',
    request: MemberReset.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: (call) => reset({ vault, store, authAdmin }, call),
  }),
)
