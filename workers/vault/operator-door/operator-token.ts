import { OPERATOR_JTI_NAME } from '../../../domain/contracts/durable-objects.ts'
import {
  OPERATOR_JWT_AUDIENCE,
  OPERATOR_JWT_ISSUER,
  type OperatorOperation,
} from '../../../domain/contracts/operator-door.ts'
import { failure, type Result } from '../../../domain/result.ts'
import { type RequestSigner, verifyRequestToken } from '../request-token.ts'
import type { Visit } from '../visit.ts'

export type OperatorTokenRefusal = 'operator_token_invalid' | 'operator_token_replayed' | 'ledger_unreachable'

/** The platform operator's proof for this very request. */
export async function verifyOperatorToken(
  visit: Visit,
  authorization: string | null,
  request: { readonly operation: OperatorOperation; readonly body: Uint8Array },
): Promise<Result<null, OperatorTokenRefusal>> {
  const signer: RequestSigner = {
    publicKey: visit.bindings.OPERATOR_PUBLIC_KEY,
    issuer: OPERATOR_JWT_ISSUER,
    audience: OPERATOR_JWT_AUDIENCE,
    jtiName: OPERATOR_JTI_NAME,
  }
  const verified = await verifyRequestToken(visit, signer, { authorization, ...request })
  if (verified.ok) return verified
  return failure(verified.code === 'ledger_unreachable' ? verified.code : `operator_${verified.code}`)
}
