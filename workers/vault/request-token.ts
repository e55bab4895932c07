import { sha256 } from '@noble/hashes/sha2.js'
import { importJWK, jwtVerify } from 'jose'
import { equalConstantTime, toBase64Url, utf8 } from '../../domain/bytes.ts'
import type { OPERATOR_JTI_NAME, SERVICE_JTI_NAME } from '../../domain/contracts/durable-objects.ts'
import { REQUEST_JWT_MAX_AGE_SECONDS, RequestClaims } from '../../domain/contracts/request-token.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import type { Ed25519PublicKey } from './bindings.ts'
import { askStepUpTokens } from './ledger.ts'
import type { Visit } from './visit.ts'

/** Who may sign for requests at a door, and where the `jti`s of that door are claimed. */
export type RequestSigner = {
  readonly publicKey: Ed25519PublicKey
  readonly issuer: string
  readonly audience: string
  readonly jtiName: typeof SERVICE_JTI_NAME | typeof OPERATOR_JTI_NAME
}
export type RequestTokenRefusal = 'token_invalid' | 'token_replayed' | 'ledger_unreachable'

/** RFC 9864 deprecates the name EdDSA for Ed25519; both name the same algorithm for an Ed25519 key. */
const ALGORITHMS = ['EdDSA', 'Ed25519']
const CLOCK_TOLERANCE_SECONDS = 5
const MAX_TOKEN_LENGTH = 2048
const BEARER = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i

/** The signer's proof for this very request: its operation and the digest of its body, once, within 30 seconds. */
export async function verifyRequestToken(
  visit: Visit,
  signer: RequestSigner,
  request: { readonly authorization: string | null; readonly operation: string; readonly body: Uint8Array },
): Promise<Result<null, RequestTokenRefusal>> {
  const claims = await verifiedClaims(visit.at, signer, request.authorization)
  if (!claims.ok) return claims
  const { iat, exp, op, body_sha256, jti } = claims.value
  const digest = toBase64Url(sha256(request.body))
  const fits =
    op === request.operation &&
    equalConstantTime(utf8(digest), utf8(body_sha256)) &&
    exp - iat > 0 &&
    exp - iat <= REQUEST_JWT_MAX_AGE_SECONDS &&
    iat * 1000 <= visit.at + CLOCK_TOLERANCE_SECONDS * 1000
  if (!fits) return failure('token_invalid')
  const claim = { jti, exp: exp * 1000, at: visit.at }
  const claimed = await askStepUpTokens(visit.bindings, signer.jtiName, (tokens) => tokens.claimJti(claim))
  if (!claimed.ok) return claimed
  if (claimed.value.ok) return success(null)
  return failure(claimed.value.code === 'replayed' ? 'token_replayed' : 'token_invalid')
}

async function verifiedClaims(
  at: number,
  { publicKey, issuer, audience }: RequestSigner,
  authorization: string | null,
) {
  const [, token] = BEARER.exec(authorization ?? '') ?? []
  if (token === undefined || token.length > MAX_TOKEN_LENGTH) return failure('token_invalid')
  try {
    const { payload } = await jwtVerify(token, await importJWK(publicKey, 'EdDSA'), {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ['exp', 'iat', 'jti'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(at),
    })
    const claims = RequestClaims.safeParse(payload)
    return claims.success ? success(claims.data) : failure('token_invalid')
  } catch {
    return failure('token_invalid')
  }
}
