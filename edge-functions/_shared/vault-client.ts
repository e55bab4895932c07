import { ErrorBody } from 'domain/contracts/api.ts'
import {
  EDGE_DOOR_PATH,
  type EdgeOperation,
  EdgeOperations,
  REQUEST_ID_HEADER,
  SERVICE_JWT_AUDIENCE,
  SERVICE_JWT_ISSUER,
  STEP_UP_HEADER,
  USER_JWT_HEADER,
} from 'domain/contracts/edge-door.ts'
import { REQUEST_JWT_MAX_AGE_SECONDS } from 'domain/contracts/request-token.ts'
import { base64url, importJWK, SignJWT } from 'jose'
import type { z } from 'zod'
import { parseJson, readBounded } from './bounded-body.ts'
import type { Environment } from './environment.ts'
import { isErrorCode, Refused } from './errors.ts'

type RequestOf<Operation extends EdgeOperation> = z.input<(typeof EdgeOperations)[Operation]['request']>
type ResponseOf<Operation extends EdgeOperation> = z.infer<(typeof EdgeOperations)[Operation]['response']>

/** What proves the user to the vault, beside the service JWT that proves this function. */
export type Proofs = { readonly userJwt: string; readonly stepUpToken?: string; readonly requestId: string }
export type Vault<Operation extends EdgeOperation> = <Asked extends Operation>(
  operation: Asked,
  request: RequestOf<Asked>,
  proofs: Proofs,
) => Promise<ResponseOf<Asked>>

const TIMEOUT_MS = 10_000
const MAX_RESPONSE_BYTES = 16 * 1024
const RETRIES = 5
const RETRY_PAUSE_MS = 200

/** A client for exactly the named operations; the list is the function's line in `functions.json`. */
export function createVault<const Operation extends EdgeOperation>(
  environment: Environment<'VAULT_URL' | 'VAULT_SERVICE_KEY'>,
  _operations: readonly Operation[],
): Vault<Operation> {
  const key = importJWK(environment.VAULT_SERVICE_KEY, 'EdDSA')
  return async (operation, request, proofs) => {
    const body = new TextEncoder().encode(JSON.stringify(request))
    const url = new URL(`${EDGE_DOOR_PATH}${operation}`, environment.VAULT_URL)
    const answer = await retried(async () => {
      const headers = new Headers({
        'content-type': 'application/json',
        authorization: `Bearer ${await serviceJwt(await key, operation, body)}`,
        [USER_JWT_HEADER]: proofs.userJwt,
        [REQUEST_ID_HEADER]: proofs.requestId,
      })
      if (proofs.stepUpToken !== undefined) headers.set(STEP_UP_HEADER, proofs.stepUpToken)
      return exchange(new Request(url, { method: 'POST', headers, body }))
    })
    const parsed = EdgeOperations[operation].response.safeParse(answer)
    if (!parsed.success) throw new Refused('vault_unreachable')
    return parsed.data as ResponseOf<typeof operation>
  }
}

/** While a new KEK version is on its way to every isolate of the vault, one that lacks it says so before it uses anything up. */
async function retried(ask: () => Promise<unknown>): Promise<unknown> {
  for (let left = RETRIES; ; left -= 1) {
    try {
      return await ask()
    } catch (error) {
      if (left === 0 || !(error instanceof Refused) || error.code !== 'kek_version_unknown') throw error
    }
    await new Promise((passed) => setTimeout(passed, RETRY_PAUSE_MS))
  }
}

/** Binds the token to this one request: operation, body digest, a `jti` that the vault accepts once, half a minute. */
async function serviceJwt(
  key: Awaited<ReturnType<typeof importJWK>>,
  operation: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body))
  const issuedAt = Math.floor(Date.now() / 1000)
  return new SignJWT({ op: operation, body_sha256: base64url.encode(digest) })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setIssuer(SERVICE_JWT_ISSUER)
    .setAudience(SERVICE_JWT_AUDIENCE)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + REQUEST_JWT_MAX_AGE_SECONDS)
    .setJti(crypto.randomUUID())
    .sign(key)
}

async function exchange(request: Request): Promise<unknown> {
  let status: number
  let value: unknown
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' })
    const bytes = await readBounded(response.body, MAX_RESPONSE_BYTES)
    status = response.status
    value = bytes === undefined ? undefined : parseJson(bytes)
    bytes?.fill(0)
  } catch {
    throw new Refused('vault_unreachable')
  }
  if (status === 200) return value
  const error = ErrorBody.safeParse(value)
  const code = error.success ? error.data.error.code : ''
  throw new Refused(isErrorCode(code) ? code : 'vault_unreachable')
}
