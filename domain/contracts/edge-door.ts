import { z } from 'zod'
import { WebhookProvider } from '../webhooks/judge.ts'
import { WithdrawAction } from './acts.ts'
import { KeptStatement } from './console.ts'
import { AuditRowId, CredentialId, SiteId, TenantId, UserId } from './ids.ts'
import { OperatorKeyId, OperatorKeyState } from './operator-keys.ts'
import { Provider } from './providers.ts'
import { RequestClaims } from './request-token.ts'
import { KeylessAction, ProviderAct, StepUpAction } from './step-up.ts'

/**
 * HTTP between the Edge Functions and the vault: `POST {vault}/edge/v1/{operation}`.
 * Three proofs travel apart: the service JWT (authorization), the user's JWT, and where the act needs it the step-up token.
 */
export const EDGE_DOOR_PATH = '/edge/v1/'
export const USER_JWT_HEADER = 'flarewatch-user-jwt'
export const STEP_UP_HEADER = 'flarewatch-step-up'
/** The function's request id, so that one act can be followed through the logs of every part. Proves nothing. */
export const REQUEST_ID_HEADER = 'flarewatch-request-id'
export const SERVICE_JWT_ISSUER = 'flarewatch-edge'
export const SERVICE_JWT_AUDIENCE = 'flarewatch-vault'

/** Claims of the service JWT. */
export const ServiceClaims = RequestClaims.extend({
  iss: z.literal(SERVICE_JWT_ISSUER),
  aud: z.literal(SERVICE_JWT_AUDIENCE),
})

const bytes = (length: number) => z.base64url().length(Math.ceil((length * 4) / 3))
const keyVersion = z.int().min(1).max(0xffffffff)

/** SHA-256 of an act's request, see request-digest.ts. */
export const RequestDigest = bytes(32)
/** The bytes that a step-up token is presented in. */
export const StepUpToken = z.string().startsWith('fwsu_').max(64)
/** What a step-up token stands for beside its user and session: one act, on one target, by one request. */
export const StepUpRequest = z.strictObject({
  tenant_id: TenantId,
  action: StepUpAction,
  target_id: z.uuid().lowercase(),
  request_digest: RequestDigest,
})

/** Each operation's request and response bodies. Bytes are base64url without padding. */
export const EdgeOperations = {
  'tenant-prepare': {
    request: z.strictObject({ tenant_id: TenantId }),
    response: z.object({ audit_key_version: keyVersion, kek_version: keyVersion, wrapped_key: bytes(60) }),
  },
  'tenant-activate': {
    request: z.strictObject({ tenant_id: TenantId }),
    response: z.object({
      dek_version: keyVersion,
      kek_version: keyVersion,
      wrapped_dek: bytes(60),
      intent_row: AuditRowId,
    }),
  },
  'step-up-mint': {
    request: StepUpRequest,
    response: z.object({ token: StepUpToken, expires_at: z.iso.datetime() }),
  },
  /** An act that needs no key: judged, and announced by its intent row. `settle` ends it. */
  'act-begin': {
    request: StepUpRequest.extend({ action: KeylessAction }),
    response: z.object({ intent_row: AuditRowId }),
  },
  /** What an owner takes back: fresh AAL2, no token. `settle` ends it. */
  'withdraw-begin': {
    request: z.strictObject({ tenant_id: TenantId, action: WithdrawAction, target_id: z.uuid().lowercase() }),
    response: z.object({ intent_row: AuditRowId }),
  },
  /** Of who presents an invitation that stands; `settle` ends it, as a member or, where it came to nothing, without. */
  'member-join': {
    request: z.strictObject({ token_hash: bytes(32) }),
    response: z.object({ tenant_id: TenantId, intent_row: AuditRowId }),
  },
  /**
   * What a person does about their own second factor, told in each agency that they are a member of: new recovery codes (AAL2
   * fresh); one of them spent, or an owner's reset cancelled or, once due, finished, which is all that this door does at AAL1.
   * `settle` ends each row.
   */
  'recovery-begin': {
    request: z.discriminatedUnion('act', [
      z.strictObject({ act: z.literal('codes') }),
      z.strictObject({ act: z.literal('redeem'), code_hash: bytes(32) }),
      z.strictObject({ act: z.literal('cancel') }),
      z.strictObject({ act: z.literal('finish') }),
    ]),
    response: z.object({ intents: z.array(z.object({ tenant_id: TenantId, intent_row: AuditRowId })) }),
  },
  /** A statement of the SQL console: fresh AAL2, no token. The row holds the statement itself, or its digest where it is long. */
  'console-begin': {
    request: z.strictObject({
      tenant_id: TenantId,
      statement_sha256: bytes(32),
      statement_bytes: z.int().min(1),
      statement: KeptStatement.nullable(),
    }),
    response: z.object({ intent_row: AuditRowId }),
  },
  /** The same for a client's project, of which the credential is the target: its row releases the key of that one record. */
  'console-open': {
    request: z.strictObject({
      tenant_id: TenantId,
      credential_id: CredentialId,
      site_id: SiteId,
      statement_sha256: bytes(32),
      statement_bytes: z.int().min(1),
      statement: KeptStatement.nullable(),
    }),
    response: z.object({ dek_version: keyVersion, subkey: bytes(32), intent_row: AuditRowId }),
  },
  'credential-seal': {
    request: z.strictObject({
      tenant_id: TenantId,
      credential_id: CredentialId,
      provider: Provider.or(WebhookProvider),
      action: StepUpAction.extract(['credential.store', 'credential.rotate']),
      request_digest: RequestDigest,
    }),
    response: z.object({
      kek_version: keyVersion,
      wrapped_dek: bytes(60),
      dek_version: keyVersion,
      salt: bytes(32),
      subkey: bytes(32),
      intent_row: AuditRowId,
      /** The salt of the record whose place the new one takes, in a rotation: by it the store knows that none came between. */
      replaces: bytes(32).nullable(),
    }),
  },
  /** The public halves of a member's operator key, and the signature of an earlier one of theirs if there is one. */
  'operator-key-enrol': {
    request: z.strictObject({
      tenant_id: TenantId,
      public_key: bytes(64),
      vouch: z.strictObject({ key_id: OperatorKeyId, signature: bytes(64) }).nullable(),
    }),
    response: z.object({ key_id: OperatorKeyId, state: OperatorKeyState, active_at: z.iso.datetime().nullable() }),
  },
  'operator-key-list': {
    request: z.strictObject({ tenant_id: TenantId }),
    response: z.object({
      keys: z.array(
        z.object({
          key_id: OperatorKeyId,
          user_id: UserId,
          state: OperatorKeyState,
          enrolled_at: z.iso.datetime(),
          active_at: z.iso.datetime().nullable(),
        }),
      ),
    }),
  },
  'operator-key-remove': {
    request: z.strictObject({ tenant_id: TenantId, key_id: OperatorKeyId }),
    response: z.object({}),
  },
  /** One record's subkey, and the public half that its plaintext is to be sealed to. */
  'credential-reveal': {
    request: z.strictObject({
      tenant_id: TenantId,
      credential_id: CredentialId,
      key_id: OperatorKeyId,
      pickup_id: bytes(32),
    }),
    response: z.object({
      dek_version: keyVersion,
      subkey: bytes(32),
      operator_key: bytes(32),
      intent_row: AuditRowId,
    }),
  },
  'reveal-deliver': {
    request: z.strictObject({
      tenant_id: TenantId,
      intent_row: AuditRowId,
      dek_version: keyVersion,
      sealed: z.base64url().max(3072),
    }),
    response: z.object({}),
  },
  'reveal-collect': {
    request: z.strictObject({ tenant_id: TenantId, pickup_secret: bytes(32) }),
    response: z.object({ answer: z.object({ dek_version: keyVersion, sealed: z.base64url() }).nullable() }),
  },
  /** The key of one record for one act at the provider. */
  'credential-open': {
    request: z.strictObject({
      tenant_id: TenantId,
      credential_id: CredentialId,
      action: ProviderAct,
      request_digest: RequestDigest,
    }),
    response: z.object({ dek_version: keyVersion, subkey: bytes(32), intent_row: AuditRowId }),
  },
  settle: {
    request: z.strictObject({
      tenant_id: TenantId,
      intent_row: AuditRowId,
      succeeded: z.boolean(),
      code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
    }),
    response: z.object({}),
  },
} as const
export type EdgeOperation = keyof typeof EdgeOperations

/** Stable codes of the EdgeDoor, each with its HTTP status. */
export const EDGE_ERRORS = {
  service_token_invalid: 401,
  service_token_replayed: 401,
  user_token_invalid: 401,
  session_ended: 401,
  session_expired: 401,
  aal2_required: 403,
  aal2_stale: 403,
  freshness_claimed: 403,
  step_up_required: 403,
  step_up_invalid: 403,
  not_a_member: 403,
  role_insufficient: 403,
  operator_key_malformed: 422,
  operator_key_taken: 409,
  operator_key_removed: 409,
  operator_key_unknown: 404,
  operator_key_waiting: 409,
  operator_keys_full: 409,
  vouch_invalid: 403,
  pickup_taken: 409,
  reveal_unknown: 404,
  invitation_invalid: 403,
  recovery_code_invalid: 403,
  member_reset_unknown: 404,
  member_reset_not_due: 409,
  credential_unknown: 404,
  tenant_not_active: 409,
  tenant_deleted: 410,
  tenant_frozen: 423,
  budget_exceeded: 429,
  ledger_unreachable: 503,
  store_unreachable: 503,
  /** This isolate of the vault is older than the KEK version that wraps: ask again. */
  kek_version_unknown: 503,
  not_openable: 500,
  request_invalid: 422,
  request_too_large: 413,
  operation_unknown: 404,
} as const
export type EdgeErrorCode = keyof typeof EDGE_ERRORS
