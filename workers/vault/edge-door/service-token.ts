import { SERVICE_JTI_NAME } from '../../../domain/contracts/durable-objects.ts'
import { type EdgeOperation, SERVICE_JWT_AUDIENCE, SERVICE_JWT_ISSUER } from '../../../domain/contracts/edge-door.ts'
import { failure, type Result } from '../../../domain/result.ts'
import { type RequestSigner, verifyRequestToken } from '../request-token.ts'
import type { Visit } from '../visit.ts'

export type ServiceTokenRefusal = 'service_token_invalid' | 'service_token_replayed' | 'ledger_unreachable'

/** The Edge service's proof for this very request. */
export async function verifyServiceToken(
  visit: Visit,
  authorization: string | null,
  request: { readonly operation: EdgeOperation; readonly body: Uint8Array },
): Promise<Result<null, ServiceTokenRefusal>> {
  const signer: RequestSigner = {
    publicKey: visit.bindings.EDGE_SERVICE_PUBLIC_KEY,
    issuer: SERVICE_JWT_ISSUER,
    audience: SERVICE_JWT_AUDIENCE,
    jtiName: SERVICE_JTI_NAME,
  }
  const verified = await verifyRequestToken(visit, signer, { authorization, ...request })
  if (verified.ok) return verified
  return failure(verified.code === 'ledger_unreachable' ? verified.code : `service_${verified.code}`)
}
