import { StepUp } from 'domain/contracts/functions.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createUserVerifier, requireFresh } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'DASHBOARD_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['step-up-mint'])

Deno.serve(
  functionHandler({
    name: 'step-up',
    request: StepUp.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: ({ input, user, requestId, now }) => {
      requireFresh(user, now)
      return vault('step-up-mint', input, { userJwt: user.jwt, requestId })
    },
  }),
)
