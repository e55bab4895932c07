import { z } from 'zod'
import { MAX_PURGED_FILES } from '../providers/cloudflare/schemas.ts'
import { Suppression } from '../providers/resend/suppressions.ts'
import { WebhookProvider } from '../webhooks/judge.ts'
import { EdgeOperations } from './edge-door.ts'
import { CredentialId, JobId, SiteId, TenantId, UserId, WebhookEndpointId } from './ids.ts'
import { Provider } from './providers.ts'
import { RecoveryCode } from './recovery-code.ts'
import { Role } from './roles.ts'

/** `POST /functions/v1/{name}` with the user's JWT; `idempotency-key: <uuid>` on what changes state. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** `tenant-create`: the caller (AAL2) becomes the owner. The id is picked by the client, so that a retry resumes. */
export const TenantCreate = {
  request: z.strictObject({ tenant_id: TenantId, name: z.string().trim().min(1).max(120) }),
  response: z.object({ tenant: z.object({ id: TenantId, name: z.string(), state: z.literal('active') }) }),
}

/** `step-up`: AAL2 fresh. The token is bound to user, session, tenant, action, target and request; single use; 5 minutes. */
export const StepUp = EdgeOperations['step-up-mint']

export const CredentialGrade = z.enum(['read_only', 'over_scoped', 'not_proven_read_only'])
export type CredentialGrade = z.infer<typeof CredentialGrade>

/** `credential-store`: AAL2 fresh and a step-up token for this new credential id. `secret` is the provider's token. */
export const CredentialStore = {
  request: z.strictObject({
    tenant_id: TenantId,
    credential_id: CredentialId,
    provider: Provider,
    label: z.string().trim().min(1).max(120),
    secret: z.string().min(1).max(512),
  }),
  response: z.object({
    credential: z.object({
      id: CredentialId,
      provider: Provider,
      label: z.string(),
      last4: z.string().length(4),
      scope: z.string(),
      grade: CredentialGrade,
    }),
    sites: z.array(z.object({ id: SiteId, name: z.string() })),
  }),
}

/**
 * `operator-key`: a member's own key. `enrol` needs AAL2 fresh and a step-up token for the key's id, whose digest is over the
 * request without `act`; `remove` needs AAL2 fresh.
 */
export const OperatorKey = {
  request: z.discriminatedUnion('act', [
    EdgeOperations['operator-key-enrol'].request.extend({ act: z.literal('enrol') }),
    EdgeOperations['operator-key-list'].request.extend({ act: z.literal('list') }),
    EdgeOperations['operator-key-remove'].request.extend({ act: z.literal('remove') }),
  ]),
  enrolled: EdgeOperations['operator-key-enrol'].response,
  listed: EdgeOperations['operator-key-list'].response,
  removed: EdgeOperations['operator-key-remove'].response,
}

/**
 * `credential-reveal`: `reveal` needs AAL2 fresh and a step-up token for the credential, whose digest is over the request without
 * `act`. Its answer says only that something waits; `collect` gives that out, sealed to the operator key, once.
 */
export const CredentialReveal = {
  request: z.discriminatedUnion('act', [
    EdgeOperations['credential-reveal'].request.extend({ act: z.literal('reveal') }),
    EdgeOperations['reveal-collect'].request.extend({ act: z.literal('collect') }),
  ]),
  revealed: z.object({ waiting: z.literal(true) }),
  collected: EdgeOperations['reveal-collect'].response,
}
/** What `privileged.sealed_record` gives the function that opens it. */
export const SealedRecord = z.object({ dek_version: z.int().min(1), ciphertext: z.base64url() })
/** 256 bits behind a prefix, see accounts/invitation-token.ts. */
export const InvitationToken = z.string().regex(/^fwinv_[A-Za-z0-9_-]{43}$/)
/** As the database keeps it; what was typed is put into this form before it is asked for. */
const InvitedEmail = z.email().max(254).lowercase()

/** `member-invite`: an owner, AAL2 fresh, a step-up token for `member.invite` on the invitation's id, which the client picks. */
export const MemberInvite = {
  request: z.strictObject({
    tenant_id: TenantId,
    invitation_id: z.uuid().lowercase(),
    email: InvitedEmail,
    role: Role,
  }),
  response: z.object({
    invitation: z.object({ id: z.uuid(), email: z.string(), role: Role, expires_at: z.iso.datetime() }),
  }),
}

/** `invitation-accept`: AAL2, and the invited address confirmed. Whatever is wrong with a token is told by one code. */
export const InvitationAccept = {
  request: z.strictObject({ token: InvitationToken }),
  response: z.object({ tenant: z.object({ id: TenantId, name: z.string() }), role: Role }),
}

/**
 * `credential-resync`: an owner or operator, AAL2 fresh. Whole days, both included, each of the site's own zone; all sites of the key
 * where none is named. What is stored of that window is read again and replaced where it differs.
 */
export const CredentialResync = {
  request: z.strictObject({
    tenant_id: TenantId,
    credential_id: CredentialId,
    site_id: SiteId.optional(),
    from: z.iso.date(),
    to: z.iso.date(),
  }),
  response: z.object({
    resync: z.object({ credential_id: CredentialId, from: z.iso.date(), to: z.iso.date(), sites: z.int() }),
  }),
}

/** `invitation-withdraw`: an owner, AAL2 fresh. An invitation that nobody has accepted yet. */
export const InvitationWithdraw = {
  request: z.strictObject({ tenant_id: TenantId, invitation_id: z.uuid().lowercase() }),
  response: z.object({ invitation_id: z.uuid() }),
}

const MemberNamed = z.strictObject({ tenant_id: TenantId, member_id: UserId })
/** `member-role`: an owner, AAL2 fresh, a step-up token for `act` on the member. Answers with no role for who was removed. */
export const MemberRole = {
  request: z.discriminatedUnion('act', [
    MemberNamed.extend({ act: z.literal('member.role'), role: Role }),
    MemberNamed.extend({ act: z.literal('member.remove') }),
  ]),
  response: z.object({ member_id: UserId, role: Role.nullable() }),
}

const Instant = z.iso.datetime({ offset: true })
/**
 * `member-reset`, of oneself. `codes` (AAL2 fresh) makes ten recovery codes in the place of all earlier ones, told this once; `left`
 * (AAL2) counts those that were not used. `redeem` (a password alone) spends one: the second factor is removed, other sessions end.
 *
 * Of who lost both: `request` (an owner of theirs, AAL2 fresh, a step-up token for `member.reset` on the member) begins 24 hours, in
 * which `withdraw` (any owner of theirs, AAL2 fresh) or `cancel` (the person, a password alone) ends it. After them, for 7
 * days, `finish` (the person, a password alone) does what a code does. `pending` tells the person what is open.
 */
export const MemberReset = {
  request: z.discriminatedUnion('act', [
    z.strictObject({ act: z.literal('codes') }),
    z.strictObject({ act: z.literal('left') }),
    z.strictObject({ act: z.literal('redeem'), code: RecoveryCode }),
    MemberNamed.extend({ act: z.literal('request') }),
    MemberNamed.extend({ act: z.literal('withdraw') }),
    z.strictObject({ act: z.literal('pending') }),
    z.strictObject({ act: z.literal('cancel') }),
    z.strictObject({ act: z.literal('finish') }),
  ]),
  requested: z.object({ reset: z.object({ member_id: UserId, requested_at: Instant, due_at: Instant }) }),
  pending: z.object({
    reset: z
      .object({ tenant_name: z.string(), requested_at: Instant, due_at: Instant, expires_at: Instant })
      .nullable(),
  }),
  cancelled: z.object({ cancelled: z.literal(true) }),
  finished: z.object({ finished: z.literal(true) }),
  made: z.object({ codes: z.array(RecoveryCode) }),
  left: z.object({ left: z.int().min(0) }),
}

/** `credential-rotate`: AAL2 fresh and a step-up token for this credential. The new secret takes the old one's place. */
export const CredentialRotate = {
  request: CredentialStore.request.omit({ label: true }),
  response: CredentialStore.response,
}

/**
 * `webhook-store`: AAL2 fresh and a step-up token for this new credential id. `secret` signs the webhooks of the account whose key
 * `webhook_of` is. The client picks 128 random bits for the address, since a provider wants to know `/webhooks/{provider}/{endpoint id}` before it shows a
 * secret; an account that has an address keeps it.
 */
export const WebhookStore = {
  request: z.strictObject({
    tenant_id: TenantId,
    credential_id: CredentialId,
    webhook_of: CredentialId,
    endpoint_id: WebhookEndpointId,
    provider: WebhookProvider,
    label: z.string().trim().min(1).max(120),
    secret: z.string().min(1).max(512),
  }),
  response: z.object({
    credential: z.object({ id: CredentialId, last4: z.string().length(4) }),
    endpoint: z.object({ id: WebhookEndpointId, provider: WebhookProvider }),
  }),
}

/** `credential-delete`: AAL2 fresh and a step-up token. What opens is destroyed; the line and the figures stay. */
export const CredentialDelete = {
  request: z.strictObject({ tenant_id: TenantId, credential_id: CredentialId }),
  response: z.object({ credential: z.object({ id: CredentialId, deleted_at: z.iso.datetime({ offset: true }) }) }),
}

/** `dead-letter-replay`: AAL2 fresh and a step-up token for this job. Once a dead letter; repeated, it answers with the same job. */
export const DeadLetterReplay = {
  request: z.strictObject({ tenant_id: TenantId, job_id: JobId }),
  response: z.object({
    dead_letter: z.object({ id: JobId, replayed_at: Instant, replayed_by: UserId, job_id: JobId }),
  }),
}

const MAX_URL = 1024
/** Exactly what the provider is sent, so that a confirmation can show it and a step-up token stands for it. */
export const Purge = z.union([
  z.strictObject({ purge_everything: z.literal(true) }),
  z.strictObject({
    files: z
      .array(z.url({ protocol: /^https?$/ }).max(MAX_URL))
      .min(1)
      .max(MAX_PURGED_FILES),
  }),
])
export type Purge = z.infer<typeof Purge>

const AtOneSite = z.strictObject({ tenant_id: TenantId, credential_id: CredentialId, site_id: SiteId })
/** What is asked about one site, each under the name that its step-up token and its row have after `provider.`. */
const PURGE_CACHE = AtOneSite.extend({ purge: Purge })
const VERIFY_DOMAIN = AtOneSite.extend({ verify: z.literal(true) })
/** The team's list, from the newest; `after` is the id of the last one seen. */
const READ_SUPPRESSIONS = AtOneSite.extend({ suppressions_after: z.uuid().lowercase().nullable() })
const REMOVE_SUPPRESSION = AtOneSite.extend({ remove_suppression: z.uuid().lowercase() })
const acted = z.object({ site: z.object({ id: SiteId, name: z.string() }), provider_id: z.string() })

/**
 * `provider-action`: AAL2 fresh and a step-up token for this credential, for the one thing that is asked. A list of suppressed
 * addresses is passed on and kept nowhere; the other answers are kept for who repeats the request.
 */
export const ProviderAction = {
  request: z.union([PURGE_CACHE, VERIFY_DOMAIN, READ_SUPPRESSIONS, REMOVE_SUPPRESSION]),
  purge: PURGE_CACHE,
  verify: VERIFY_DOMAIN,
  read: READ_SUPPRESSIONS,
  remove: REMOVE_SUPPRESSION,
  response: acted,
  listed: z.object({ suppressions: z.array(Suppression), more: z.boolean() }),
}

/** Codes that the functions add to those of the EdgeDoor, which pass through unchanged. */
export const FUNCTION_ERRORS = {
  method_not_allowed: 405,
  idempotency_key_required: 400,
  idempotency_key_reused: 409,
  tenant_id_taken: 409,
  credential_exists: 409,
  tenant_key_rotated: 409,
  credential_moved: 409,
  provider_refused: 422,
  provider_permission_missing: 422,
  provider_outcome_unknown: 502,
  credential_malformed: 422,
  credential_global_key: 422,
  credential_secret_key: 422,
  credential_public_key: 422,
  credential_can_write: 422,
  credential_lacks_permission: 422,
  credential_rejected: 422,
  credential_without_zones: 422,
  webhook_unsupported: 409,
  webhook_secrets_full: 409,
  dead_letter_unknown: 404,
  credential_parked: 409,
  resync_window_invalid: 422,
  resync_nothing: 409,
  resync_running: 409,
  too_many_invitations: 409,
  invitation_unknown: 404,
  member_unknown: 404,
  last_owner: 409,
  reset_of_oneself: 403,
  reset_not_needed: 409,
  member_reset_open: 409,
  member_reset_running: 409,
  too_many_attempts: 429,
  auth_unreachable: 502,
  provider_unreachable: 502,
  project_unreachable: 502,
  project_limited: 503,
  provider_rate_limited: 503,
  console_busy: 429,
  console_unreachable: 503,
  vault_unreachable: 503,
  internal: 500,
} as const
export type FunctionErrorCode = keyof typeof FUNCTION_ERRORS
