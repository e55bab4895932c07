import { sha256 } from '@noble/hashes/sha2.js'
import { importJWK, jwtVerify } from 'jose'
import { equalConstantTime, toBase64Url, utf8 } from '../../../domain/bytes.ts'
import { SERVICE_JTI_NAME } from '../../../domain/contracts/durable-objects.ts'
import {
  type EdgeOperation,
  SERVICE_JWT_AUDIENCE,
  SERVICE_JWT_ISSUER,
  SERVICE_JWT_MAX_AGE_SECONDS,
  ServiceClaims,
} from '../../../domain/contracts/edge-door.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { askStepUpTokens } from '../ledger.ts'
import type { Visit } from '../visit.ts'

export type ServiceTokenRefusal = 'service_token_invalid' | 'service_token_replayed' | 'ledger_unreachable'

/** RFC 9864 deprecates the name EdDSA for Ed25519; both name the same algorithm for an Ed25519 key. */
const ALGORITHMS = ['EdDSA', 'Ed25519']
const CLOCK_TOLERANCE_SECONDS = 5
const MAX_TOKEN_LENGTH = 2048
const BEARER = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i

/** The Edge service's proof for this very request: its operation and the digest of its body, once, within 30 seconds. */
export async function verifyServiceToken(
  visit: Visit,
  authorization: string | null,
  request: { readonly operation: EdgeOperation; readonly body: Uint8Array },
): Promise<Result<null, ServiceTokenRefusal>> {
  const claims = await verifiedClaims(visit, authorization)
  if (!claims.ok) return claims
  const { iat, exp, op, body_sha256, jti } = claims.value
  const digest = toBase64Url(sha256(request.body))
  const fits =
    op === request.operation &&
    equalConstantTime(utf8(digest), utf8(body_sha256)) &&
    exp - iat > 0 &&
    exp - iat <= SERVICE_JWT_MAX_AGE_SECONDS &&
    iat * 1000 <= visit.at + CLOCK_TOLERANCE_SECONDS * 1000
  if (!fits) return failure('service_token_invalid')
  const claim = { jti, exp: exp * 1000, at: visit.at }
  const claimed = await askStepUpTokens(visit.bindings, SERVICE_JTI_NAME, (tokens) => tokens.claimJti(claim))
  if (!claimed.ok) return claimed
  if (claimed.value.ok) return success(null)
  return failure(claimed.value.code === 'replayed' ? 'service_token_replayed' : 'service_token_invalid')
}

async function verifiedClaims({ bindings, at }: Visit, authorization: string | null) {
  const [, token] = BEARER.exec(authorization ?? '') ?? []
  if (token === undefined || token.length > MAX_TOKEN_LENGTH) return failure('service_token_invalid')
  try {
    const { payload } = await jwtVerify(token, await importJWK(bindings.EDGE_SERVICE_PUBLIC_KEY, 'EdDSA'), {
      algorithms: ALGORITHMS,
      issuer: SERVICE_JWT_ISSUER,
      audience: SERVICE_JWT_AUDIENCE,
      requiredClaims: ['exp', 'iat', 'jti'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(at),
    })
    const claims = ServiceClaims.safeParse(payload)
    return claims.success ? success(claims.data) : failure('service_token_invalid')
  } catch {
    return failure('service_token_invalid')
  }
}
