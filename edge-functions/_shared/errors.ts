import { challengeHeaders } from 'domain/contracts/challenge.ts'
import { EDGE_ERRORS, type EdgeErrorCode } from 'domain/contracts/edge-door.ts'
import { FUNCTION_ERRORS, type FunctionErrorCode } from 'domain/contracts/functions.ts'

export type ErrorCode = EdgeErrorCode | FunctionErrorCode

type About = {
  /** Names of fields of our own schemas, for `request_invalid`. */
  readonly fields?: readonly string[]
  /** The provider's own names, for what a key may not or must be allowed. */
  readonly permissions?: readonly string[]
}

/** Ends a function's work with a stable code. Thrown by the shell's parts, mapped to the wire here and nowhere else. */
export class Refused extends Error {
  readonly code: ErrorCode
  readonly about: About
  constructor(code: ErrorCode, about: About = {}) {
    super(code)
    this.code = code
    this.about = about
  }
}

const STATUS: Record<ErrorCode, number> = { ...EDGE_ERRORS, ...FUNCTION_ERRORS }

/** What to do next. No message holds anything that the caller sent. */
const NEXT_STEP: Record<ErrorCode, string> = {
  webhook_unsupported:
    'This key is not one of an account that delivers such webhooks. Choose the key of the same account.',
  webhook_secrets_full:
    'Two signing secrets are valid for this account already. Delete the one that the provider no longer signs with.',
  dead_letter_unknown: 'There is no such dead letter any more. Reload the list.',
  credential_parked: 'Its credential is parked or deleted, so it would fail again. Connect a new token first.',
  resync_window_invalid: 'Name two days of the last two years, the earlier one first.',
  resync_nothing:
    'There is nothing to read again: the account was not read yet, its provider keeps no history, or hours are no longer kept so far back.',
  resync_running: 'A window of this account is being read again. Wait until that is done, or choose another site.',
  service_token_invalid:
    'The vault did not accept this function. Nothing was changed; ask the operator to check the service key.',
  service_token_replayed: 'The vault saw this request twice. Try again.',
  user_token_invalid: 'Sign in again: the session is missing, expired or not from this project.',
  session_ended: 'This session was ended. Sign in again.',
  session_expired: 'This session is over: it lasts 24 hours, and one hour without use. Sign in again.',
  aal2_required: 'Enter a code from your authenticator app to continue.',
  aal2_stale: 'Enter a new code from your authenticator app: the last one is more than 5 minutes old.',
  freshness_claimed:
    'Another session of yours used a code within the last 90 seconds. Wait, enter a new code, and try again.',
  kek_version_unknown: 'The vault is changing its key. Try again in a minute.',
  step_up_required: 'Ask for a step-up token for this act and request first.',
  step_up_invalid: 'The step-up token was used, has expired, or is for another act. Ask for a new one.',
  not_a_member: 'You are not a member of this tenant. Ask an owner to add you.',
  role_insufficient: 'Your role may not do this. Ask an owner.',
  operator_key_malformed: 'This is not the public half of an operator key. Copy it once more from the command line.',
  operator_key_taken: 'Another member enrolled this operator key. Make one of your own.',
  operator_key_removed: 'This operator key was removed, which is for good. Make another one.',
  operator_key_unknown: 'You have no operator key with this fingerprint. Enrol it first.',
  operator_key_waiting: 'This operator key waits for its 24 hours to pass. Try again then.',
  operator_keys_full: 'The tenant has as many operator keys as it may have. Remove one that is no longer used.',
  vouch_invalid: 'The signature is not by an active operator key of yours. Sign with one that is, or enrol without.',
  pickup_taken: 'This reveal was asked for already. Start it again on the command line.',
  reveal_unknown: 'No reveal waits for this answer. Start it again on the command line.',
  invitation_invalid:
    'This invitation cannot be accepted: it has expired, was used, or is for another address. Ask for a new one.',
  too_many_invitations: 'This agency has as many invitations open as it may. Wait until some have expired.',
  invitation_unknown: 'There is no such invitation any more: it was accepted, withdrawn or replaced. Reload the list.',
  member_unknown: 'This person is not a member of the tenant. Reload the list of members.',
  reset_of_oneself: 'Your own second factor is reset by another owner, or by one of your recovery codes.',
  reset_not_needed:
    'This person has no authenticator set up, so there is nothing to reset. They can sign in and set one up.',
  member_reset_open: 'A reset is open for this person already. Wait until it is due, or cancel it first.',
  member_reset_unknown: 'No reset is open: it was cancelled or finished, or ended because the second factor was used.',
  member_reset_not_due: 'The 24 hours are not over yet. Try again when they are.',
  member_reset_running: 'Another session is finishing this reset. Wait 5 minutes, then try again.',
  last_owner: 'A tenant keeps at least one owner. Make somebody else an owner first.',
  recovery_code_invalid: 'This recovery code is wrong or was used. Try another one.',
  too_many_attempts: 'Too many recovery codes were tried. Wait an hour, then try again.',
  auth_unreachable: 'Sign-in could not be reached, so the act was not finished. Try again with another code.',
  credential_unknown: 'There is no such credential, or it was deleted. Reload the list.',
  tenant_not_active: 'The tenant is not active yet. Finish creating it and try again.',
  tenant_deleted: 'The tenant was deleted and its id is not given again. Create another.',
  tenant_frozen: 'Key use is frozen for this tenant. Contact support.',
  budget_exceeded: 'The tenant used its keys more often than its hourly budget allows. Contact support.',
  ledger_unreachable: 'The act could not be recorded, so it was not done. Try again in a minute.',
  store_unreachable: 'Our database or sign-in could not be reached. Nothing was stored; try again in a minute.',
  not_openable: 'A key of this tenant could not be opened. Contact support.',
  request_invalid: 'The request is not valid. Correct it and send it again.',
  request_too_large: 'The request is too large. Send less.',
  operation_unknown: 'There is no such operation.',
  method_not_allowed: 'Send a POST request.',
  idempotency_key_required: 'Send an idempotency-key header with a UUID, the same one for each retry.',
  idempotency_key_reused: 'This idempotency key was used for a different request. Use a new one.',
  tenant_id_taken: 'This tenant id belongs to someone else. Pick a new one.',
  credential_exists: 'A credential with this id is stored already. Pick a new id.',
  tenant_key_rotated:
    "The tenant's key was replaced meanwhile and nothing was stored. Step up again and repeat the request.",
  credential_malformed: 'This is not a key of this provider. Copy it once more, without blanks around it.',
  credential_global_key:
    'This is a global API key, which can do anything. Create an API token that can only read, and use that.',
  credential_secret_key:
    'This is a secret key that can do anything in the account. Nothing was sent anywhere; create a key of the kind that the connect page names.',
  credential_public_key:
    'This is a publishable key, which reads no figures. Create an access token of your Supabase account, and use that.',
  credential_can_write:
    'This key can change things at the provider, so it was not stored. Take the permissions named here away from it.',
  credential_lacks_permission:
    'This key cannot read what the figures need, so it was not stored. Give it the permissions named here.',
  credential_rejected: 'The provider did not accept this key. Check that it is active, or create a new one.',
  credential_without_zones:
    'This key reaches nothing to show. At Cloudflare give it Zone Read and Analytics Read on the zones; at Resend add a domain; at Supabase a project.',
  credential_moved: 'The credential was changed meanwhile, so nothing was done. Step up again and repeat the request.',
  provider_refused:
    'The provider refused the request, so nothing was changed. Check what it names, and that the provider offers it to this account.',
  provider_permission_missing:
    'The provider does not let this key do that. At Cloudflare give it Cache Purge on the zone; at Resend it takes full access.',
  provider_outcome_unknown:
    'The provider gave no clear answer: it may or may not have been done. Doing it again does no harm.',
  provider_unreachable: 'The provider could not be reached, so the key was not checked. Nothing was stored; try again.',
  project_unreachable: 'Supabase gave no answer that could be read. Nothing was changed; try again in a minute.',
  project_limited: 'Supabase asks to slow down with this project. Try again in a minute.',
  provider_rate_limited: 'The provider asks to slow down. Nothing was stored; try again in a few minutes.',
  console_busy: 'Two statements of your agency are running already. Wait for one to end, or cancel it.',
  console_unreachable: 'The database could not be reached, so the statement was not run. Try again in a minute.',
  vault_unreachable: 'The vault could not be reached. Try again in a minute.',
  internal: 'Something went wrong on our side. Try again, and send us the request id if it goes on.',
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(STATUS, code)
}

/** The one mapping from whatever ended a request to `{ error: { code, message, request_id } }`. */
export function errorResponse(error: unknown, requestId: string): Response {
  const { code, about } = error instanceof Refused ? error : new Refused('internal')
  const { fields = [], permissions = [] } = about
  const message = fields.length === 0 ? NEXT_STEP[code] : `${NEXT_STEP[code]} Check: ${fields.join(', ')}.`
  return Response.json(
    { error: { code, message, request_id: requestId, ...(permissions.length === 0 ? {} : { permissions }) } },
    { status: STATUS[code], headers: challengeHeaders(code) },
  )
}

/** One line for the operator. An error's own text may quote what was parsed, so only its kind and where it arose are kept. */
export function logLine(error: unknown, requestId: string, functionName: string): string {
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : []
  return JSON.stringify({
    ...eventOf('error', 'refused', requestId, functionName),
    code: error instanceof Refused ? error.code : 'internal',
    ...(error instanceof Refused
      ? {}
      : {
          kind: error instanceof Error ? error.name : typeof error,
          frames: frames.slice(0, 4).map((line) => line.trim()),
        }),
  })
}

/** One line a request that was answered, in the shape that every part logs. */
export function answeredLine(requestId: string, functionName: string): string {
  return JSON.stringify({ ...eventOf('info', 'answered', requestId, functionName), status: 200 })
}

function eventOf(level: 'info' | 'error', event: string, requestId: string, functionName: string) {
  return { at: new Date().toISOString(), part: functionName, level, event, request_id: requestId }
}
