import { API_ERRORS, type ApiErrorCode } from '../../domain/contracts/api.ts'
import { HOURS_KEPT_DAYS } from '../../domain/metrics/retention.ts'
import { sqlStateOf } from '../runtime/database.ts'
import { errorResponse } from '../runtime/error-response.ts'
import { log } from '../runtime/log.ts'

/** A request that gets a stable code instead of an answer. Thrown, so that an open transaction rolls back. */
export class Refusal extends Error {
  readonly code: ApiErrorCode
  readonly headers: Record<string, string>

  constructor(code: ApiErrorCode, headers: Record<string, string> = {}) {
    super(code)
    this.name = 'Refusal'
    this.code = code
    this.headers = headers
  }
}

const MESSAGES: Record<ApiErrorCode, string> = {
  webhook_refused: 'This delivery was not accepted.',
  webhook_limited: 'This address takes no more deliveries now. Try again in a minute.',
  unauthenticated: 'Sign in and send the access token as a bearer token.',
  session_ended: 'This session was ended. Sign in again.',
  session_expired: 'This session is over: it lasts 24 hours, and one hour without use. Sign in again.',
  totp_enrolment_required: 'Enrol a TOTP authenticator first.',
  aal2_required: 'Confirm with your TOTP authenticator first.',
  not_a_member: 'You are not a member of this tenant.',
  role_insufficient: 'Your role may not do this. Ask an owner of the tenant.',
  not_found: 'There is nothing here.',
  method_not_allowed: 'This address does not take this method: see the header allow.',
  login_answered: 'This login has been answered already.',
  not_signed_yet: 'No receipt covers this yet: one is signed within minutes.',
  row_pruned: 'This row was pruned after its retention: the certificates under /receipts/{log}/epochs speak for it.',
  hours_not_kept: `Figures by the hour are kept for ${HOURS_KEPT_DAYS} days. Ask for days, or for a later window.`,
  request_too_large: 'The request is longer than any that this address takes.',
  query_invalid: 'The query is not one that this address takes.',
  request_invalid: 'The request is not one that this address takes.',
  tenant_frozen: 'This tenant is frozen: nothing is opened until an operator unfreezes it.',
  budget_exceeded: 'More was opened this hour than this tenant is allowed.',
  store_unreachable: 'The database or the sign-in service does not answer.',
  vault_unreachable: 'The vault does not answer.',
  internal: 'Something failed on our side.',
}

/** The one place where what went wrong becomes a wire code. What the error said stays out of answer and log. */
export function refusalResponse(error: unknown, requestId: string): Response {
  const refusal = error instanceof Refusal ? error : new Refusal(refusalCode(error))
  const status = API_ERRORS[refusal.code]
  if (status >= 500) {
    const sqlstate = sqlStateOf(error)
    log('gateway', 'error', 'request.failed', {
      request_id: requestId,
      code: refusal.code,
      ...(sqlstate === null ? {} : { sqlstate }),
    })
  }
  const { code, headers } = refusal
  return errorResponse({ code, status, message: MESSAGES[code], requestId, headers })
}

/** postgres.js and sockets name a lost connection by code; Postgres by SQLSTATE class 08, 53 (resources) and 57 (shutdown). */
const CONNECTION_LOST = /^(CONNECT|CONNECTION|ECONN|ETIMEDOUT|EPIPE)/
const UNAVAILABLE = /^(08|53|57)/

export function refusalCode(error: unknown): ApiErrorCode {
  if (error instanceof Refusal) return error.code
  const sqlstate = sqlStateOf(error)
  if (sqlstate !== null) return UNAVAILABLE.test(sqlstate) ? 'store_unreachable' : 'internal'
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return CONNECTION_LOST.test(code) ? 'store_unreachable' : 'internal'
}
