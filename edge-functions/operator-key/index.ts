import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import { OperatorKey } from 'domain/contracts/functions.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { Refused } from '../_shared/errors.ts'
import { functionHandler } from '../_shared/handler.ts'
import { createUserVerifier, requireAal2, requireFresh } from '../_shared/user.ts'
import { createVault } from '../_shared/vault-client.ts'

const environment = readEnvironment(Deno.env.get, [
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'DASHBOARD_URL',
  'VAULT_SERVICE_KEY',
  'VAULT_URL',
])
const vault = createVault(environment, ['operator-key-enrol', 'operator-key-list', 'operator-key-remove'])

Deno.serve(
  functionHandler({
    name: 'operator-key',
    request: OperatorKey.request,
    dashboardUrl: environment.DASHBOARD_URL,
    verifyUser: createUserVerifier(environment),
    act: ({ input, user, headers, requestId, now }) => {
      const proofs = { userJwt: user.jwt, requestId }
      requireAal2(user)
      if (input.act === 'list') return vault('operator-key-list', { tenant_id: input.tenant_id }, proofs)
      requireFresh(user, now)
      if (input.act === 'remove') {
        return vault('operator-key-remove', { tenant_id: input.tenant_id, key_id: input.key_id }, proofs)
      }
      const stepUpToken = headers.get(STEP_UP_HEADER)
      if (stepUpToken === null) throw new Refused('step_up_required')
      const { act: _, ...request } = input
      return vault('operator-key-enrol', request, { ...proofs, stepUpToken })
    },
  }),
)
