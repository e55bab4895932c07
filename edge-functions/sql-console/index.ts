import { SqlConsole } from 'domain/contracts/console.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createStore } from '../_shared/store.ts'
import { createUserVerifier } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'
import { consoleCall } from './query.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'CLIENT_SUPABASE_API_URL',
  'CONSOLE_DATABASE_URL',
  'CONSOLE_LOGIN_KEY',
  'DASHBOARD_URL',
  'PGAPPNAME',
  'PGTARGETSESSIONATTRS',
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SECRET_KEYS',
  'SUPABASE_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['console-begin', 'console-open', 'settle'])
const store = createStore(environment, ['console_credential', 'end_console', 'open_console'])

Deno.serve(
  functionHandler({
    name: 'sql-console',
    request: SqlConsole.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: (call) =>
      consoleCall(
        {
          vault,
          store,
          databaseUrl: environment.CONSOLE_DATABASE_URL,
          loginKey: environment.CONSOLE_LOGIN_KEY,
          projectApiUrl: environment.CLIENT_SUPABASE_API_URL,
        },
        call,
      ),
  }),
)
