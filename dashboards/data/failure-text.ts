import type { ApiErrorCode, EdgeErrorCode, FunctionErrorCode } from './schemas.ts'
import type { Failure } from './wire.ts'

/** Codes that arise in the browser: nothing answered, what answered kept no contract, or sign-in said no. */
type OwnCode =
  | 'network'
  | 'server_unavailable'
  | 'answer_invalid'
  | 'signatures_unsupported'
  | 'sealing_unsupported'
  | 'login_code_wrong'
  | 'login_link_expired'
  | 'signed_out'
  | 'session_idle'
  | AuthCode
export type AuthCode =
  | 'invalid_credentials'
  | 'email_not_confirmed'
  | 'email_address_invalid'
  | 'user_already_exists'
  | 'weak_password'
  | 'signup_disabled'
  | 'mfa_verification_failed'
  | 'mfa_verification_rejected'
  | 'mfa_challenge_expired'
  | 'over_request_rate_limit'
  | 'auth_unreachable'
  | 'auth_failed'
type KnownCode = OwnCode | ApiErrorCode | EdgeErrorCode | FunctionErrorCode

const UNREACHABLE_VAULT = 'The key vault does not answer, so nothing was done. Try again in a minute.'
const OUR_FAULT = 'Something failed on our side. Try again; if it goes on, report it with the reference below.'

/** For each code, what it means to the person in front of it and what to do next. */
const TEXT: Readonly<Record<KnownCode, string>> = {
  network: 'No answer. Check your connection, then try again.',
  answer_invalid:
    'The answer could not be read. Reload the page; if it goes on, this page and the server do not match.',
  server_unavailable: 'The server gave no proper answer. Try again in a minute.',
  signatures_unsupported:
    'This browser cannot check Ed25519 signatures. Use a current one, or run “flarewatch audit verify” on an export.',
  sealing_unsupported:
    'This browser cannot seal a session by X25519. Use a current one, or “flarewatch login --email” on the command line.',
  login_code_wrong:
    'This is not the code of the command line that leads to this page. Compare both; if you have none before you, refuse.',
  login_link_expired: 'This login has run out. Start again on the command line: “flarewatch login”.',
  login_answered: 'This login was answered already. Start again on the command line: “flarewatch login”.',
  signed_out: 'Your session has ended. Sign in again.',
  session_idle: 'You were signed out, since nobody used this page for an hour. Sign in again.',
  session_ended: 'This session was ended. Sign in again.',
  session_expired: 'Your session is over: it lasts 24 hours, and one hour without use. Sign in again.',
  invalid_credentials:
    'Email and password do not match an account, or too many wrong ones were tried: each further try then waits, up to 15 minutes.',
  email_not_confirmed: 'Your email address is not confirmed yet. Open the link in the mail we sent, then sign in.',
  email_address_invalid: 'This email address is not accepted. Check it for typing errors.',
  user_already_exists: 'There is an account with this email address already. Sign in instead.',
  weak_password: 'This password is too easy to guess. Use a longer one, best from a password manager.',
  signup_disabled: 'This deployment does not take new accounts. Ask its operator for an invitation.',
  mfa_verification_failed:
    'This code is not right. Wait for the next one and check that the clock of your device is set automatically.',
  mfa_verification_rejected:
    'Too many wrong codes were tried, so all your sessions were ended. Wait, up to 15 minutes, then sign in again.',
  mfa_challenge_expired: 'That took too long. Enter the code that your authenticator app shows now.',
  over_request_rate_limit: 'Too many tries. Wait a minute, then try again.',
  auth_unreachable: 'The sign-in service does not answer. Check your connection and try again.',
  auth_failed: 'Signing in failed. Try again; if it goes on, ask the operator of this deployment.',
  unauthenticated: 'Your session has ended. Sign in again.',
  user_token_invalid: 'Your session has ended. Sign in again.',
  totp_enrolment_required: 'Set up your authenticator app first; no data is shown before that.',
  aal2_required: 'This needs a code from your authenticator app.',
  aal2_stale: 'Your last code is more than 5 minutes old. Enter the one that your authenticator app shows now.',
  freshness_claimed:
    'Another session of yours used a code within the last 90 seconds. Wait until 90 seconds have passed, then enter a new code.',
  step_up_required: 'The permission for this act is missing. Try again.',
  step_up_invalid: 'The permission for this act was used or has run out. Try again.',
  not_a_member: 'You are not a member of this agency. Ask one of its owners to add you.',
  role_insufficient: 'Your role may not do this. Ask an owner of the agency.',
  operator_key_malformed:
    'This is not an operator key. Run “flarewatch operator enrol” again and use the link it gives.',
  operator_key_taken: 'Another member enrolled this operator key. Each member needs one of their own.',
  operator_key_removed:
    'This operator key was removed, which is for good. Make another with “flarewatch operator enrol”.',
  operator_key_unknown: 'You have no operator key with this fingerprint. Enrol it first.',
  operator_key_waiting: 'This operator key still waits. Nothing can be revealed to it before its 24 hours are over.',
  operator_keys_full: 'The agency has as many operator keys as it may have. Remove one that is no longer used.',
  vouch_invalid:
    'The key that signed for this one is not an active key of yours. Enrol it without a signature; it then waits 24 hours.',
  pickup_taken: 'This reveal was confirmed already. Start it again on the command line.',
  reveal_unknown: 'Nothing waits for this any more. Start it again on the command line.',
  invitation_invalid:
    'This invitation cannot be accepted: it has expired, was used already, or is for another email address than the one you signed in with. Ask an owner of the agency for a new one.',
  recovery_code_invalid:
    'This recovery code is not right, or was used before. Check it for typing errors, or take another one of your list.',
  too_many_attempts: 'Too many recovery codes were tried. Wait an hour, then try again.',
  webhook_refused: 'This delivery was not accepted.',
  webhook_limited: 'This address takes no more deliveries for a minute.',
  webhook_unsupported: 'This key is not one of an account that delivers such webhooks.',
  webhook_secrets_full:
    'Two signing secrets are valid for this account already. Delete the one that the provider no longer signs with.',
  dead_letter_unknown: 'This dead letter is gone, or was never here. Reload the page.',
  credential_parked: 'Its credential is parked or deleted, so it would fail again. Connect a new token first.',
  resync_window_invalid: 'Choose two days of the last two years, the earlier one first.',
  resync_nothing:
    'There is nothing to read again: the account was not read yet, its provider keeps no history, or hours are no longer kept so far back.',
  resync_running: 'A window of this account is being read again. Wait until that is done, or choose another site.',
  too_many_invitations: 'As many invitations are open as an agency may have. Wait until some have expired.',
  invitation_unknown: 'This invitation is not open any more: it was accepted, withdrawn or replaced. Reload the page.',
  reset_of_oneself:
    'You cannot reset your own second factor here. Use a recovery code, or ask another owner of the agency.',
  reset_not_needed: 'This person has no authenticator set up: signing in leads them to setting one up.',
  member_reset_open: 'A reset is open for this person already. Wait until it is due, or cancel it first.',
  member_reset_unknown:
    'No reset is open any more: it was cancelled or finished, or it ended because the second factor was used.',
  member_reset_not_due: 'The 24 hours are not over yet. Come back when they are.',
  member_reset_running: 'Another session is finishing this reset. Wait 5 minutes, then try again.',
  member_unknown: 'This person is not a member any more. Reload the page.',
  last_owner: 'An agency keeps at least one owner. Make somebody else an owner first.',
  tenant_not_active: 'The agency is not ready yet. Finish creating it, then try again.',
  tenant_deleted: 'This agency was deleted, and its id is not given again. Reload the page and create another.',
  tenant_frozen:
    'Use of keys is frozen for this agency, as a precaution. Its data stays readable; contact support to lift it.',
  budget_exceeded: 'The agency used its keys more often in this hour than it may. Wait an hour, or contact support.',
  tenant_id_taken: 'This agency exists already under another account. Reload the page and start again.',
  credential_exists: 'This credential is stored already. Reload the page to see it.',
  tenant_key_rotated:
    'The agency’s encryption key was replaced at this moment, so nothing was stored. Store the credential again.',
  credential_unknown: 'This credential is gone, or was never here. Reload the page.',
  credential_moved: 'The credential was changed at this moment, so nothing was done. Try again.',
  provider_refused:
    'The provider refused the request, so nothing was changed. Check the addresses of a purge; a suppression list may not be open to this team at Resend yet, and what you chose may be gone.',
  provider_permission_missing:
    'The provider does not let this key do that. At Cloudflare, give it “Cache Purge: Purge” for the zone; at Resend it takes full access, and a team that has this feature.',
  provider_outcome_unknown:
    'The provider gave no clear answer: it may or may not have been done. Doing it again does no harm.',
  credential_malformed: 'This is not a key of this provider. Copy it once more, without blanks around it.',
  credential_global_key:
    'This is a global API key, which can do anything in the account. Create an API token that can only read, and paste that.',
  credential_secret_key:
    'This is a secret key: it can do anything in the account, so it was not even sent. Create one of the kind that is described here, and paste that.',
  credential_public_key:
    'This is a publishable key, which is for visitors and reads no figures. Create an access token of your Supabase account, and paste that.',
  credential_can_write:
    'This key can change things, so it was not stored. Take these permissions away from it, or create one without them:',
  credential_lacks_permission:
    'This key cannot read what the figures need, so it was not stored. Give it these permissions:',
  credential_rejected:
    'The provider did not accept this key. Check there that it is active and not expired, or create a new one.',
  credential_without_zones:
    'This key reaches nothing to show. At Cloudflare, give it “Zone: Read” and “Analytics: Read” for the zones to show; at Resend, add a domain to the team; at Supabase, let the token reach a project. Then paste it again.',
  project_unreachable: 'Supabase gave no answer that could be read. Try again in a minute.',
  project_limited: 'Supabase asks to slow down with this project. Try again in a minute.',
  provider_unreachable: 'The provider could not be reached, so the key was not checked and not stored. Try again.',
  provider_rate_limited: 'The provider asks to slow down; nothing was stored. Try again in a few minutes.',
  ledger_unreachable: 'The act could not be put on record, so it was not done. Try again in a minute.',
  store_unreachable: 'The database does not answer. Nothing was changed; try again in a minute.',
  kek_version_unknown: 'The vault is changing its key. Try again in a minute.',
  console_busy: 'Two statements of your agency are running already. Wait for one to end, or cancel it.',
  console_unreachable: 'The database does not answer, so the statement was not run. Try again in a minute.',
  vault_unreachable: UNREACHABLE_VAULT,
  service_token_invalid: UNREACHABLE_VAULT,
  service_token_replayed: 'The request arrived twice. Try again.',
  not_openable: 'A key of this agency could not be opened. Contact support with the reference below.',
  idempotency_key_required: OUR_FAULT,
  idempotency_key_reused: 'This form was sent before with other content. Try again.',
  request_invalid: 'Something entered is not valid. Check the form and send it again.',
  request_too_large: 'What was entered is too long.',
  query_invalid: 'This page asked for a window that the server does not give. Choose another range.',
  row_pruned:
    'This row was pruned a year after its month. The certificate that is named on the audit page speaks for it.',
  hours_not_kept: 'Figures by the hour are kept for 90 days. Choose a range of days.',
  not_signed_yet: 'No receipt covers this yet. One is signed within minutes; try again then.',
  not_found: 'This is gone, or was never here. Go back to the overview.',
  method_not_allowed: OUR_FAULT,
  operation_unknown: OUR_FAULT,
  internal: OUR_FAULT,
}

export function failureText({ code }: Failure): string {
  return isKnown(code) ? TEXT[code] : `Something failed that this page does not know (${code}). Try again.`
}

function isKnown(code: string): code is KnownCode {
  return Object.hasOwn(TEXT, code)
}

/** Nothing was stored and waiting can help: the form keeps what was entered. */
const RETRYABLE: ReadonlySet<string> = new Set<KnownCode>([
  'network',
  'server_unavailable',
  'provider_unreachable',
  'provider_rate_limited',
  'kek_version_unknown',
  'ledger_unreachable',
  'store_unreachable',
  'vault_unreachable',
  'service_token_replayed',
  'step_up_invalid',
  'tenant_key_rotated',
  'credential_moved',
])
export function isRetryable({ code }: Failure): boolean {
  return RETRYABLE.has(code)
}

/** A code from the authenticator app, entered now, is what is missing: the answer itself says so. */
export function needsCode({ challenged }: Failure): boolean {
  return challenged
}

const ENDED: ReadonlySet<string> = new Set<KnownCode>(['unauthenticated', 'user_token_invalid', 'signed_out'])
/** It cannot be used or renewed any more, and the person is told why. */
const OVER: ReadonlySet<string> = new Set<KnownCode>(['session_ended', 'session_expired', 'mfa_verification_rejected'])
export function sessionOver({ code }: Failure): boolean {
  return OVER.has(code)
}

export function sessionEnded({ code }: Failure): boolean {
  return ENDED.has(code)
}
