import { z } from 'zod'
import { AuditRowId, TenantId } from './ids.ts'

/**
 * HTTP between the platform operator's command line and the vault: `POST {vault}/operator/v1/{operation}`. One proof: the
 * operator JWT (authorization), whose claims are those of `request-token.ts`.
 */
export const OPERATOR_DOOR_PATH = '/operator/v1/'
export const OPERATOR_JWT_ISSUER = 'flarewatch-operator'
export const OPERATOR_JWT_AUDIENCE = 'flarewatch-vault-operator'

/** Why a tenant is frozen, in the operator's words; kept in the ledger and in the sealed row. */
export const FreezeReason = z.string().trim().min(1).max(200)

/** Where the rotation of a tenant's DEK stands. `behind`: records on an older version; `failing`: those whose last try failed. */
const DekStanding = z.object({
  state: z.enum(['rotating', 'settled']),
  version: z.int(),
  versions: z.array(z.int()),
  credentials: z.int(),
  behind: z.int(),
  failing: z.int(),
})

/** Each operation's request and response bodies. Bytes are base64url without padding. */
export const OperatorOperations = {
  /** `row_id` is null when the flag was set and the row could not be made: asking again makes it. */
  'tenant-freeze': {
    request: z.strictObject({ tenant_id: TenantId, reason: FreezeReason }),
    response: z.object({ frozen: z.literal(true), row_id: AuditRowId.nullable() }),
  },
  'tenant-unfreeze': {
    request: z.strictObject({ tenant_id: TenantId }),
    response: z.object({ frozen: z.literal(false), row_id: AuditRowId }),
  },
  /** Begins a rotation or goes on with the one under way; records are re-sealed by the connector afterwards. */
  'dek-rotate': { request: z.strictObject({ tenant_id: TenantId }), response: DekStanding },
  'dek-standing': { request: z.strictObject({ tenant_id: TenantId }), response: DekStanding },
  /** `deleting` asks to be asked again. The certificate is the verifier's, and null until its next run. */
  'tenant-delete': {
    request: z.strictObject({ tenant_id: TenantId, confirm: z.string().min(1).max(120) }),
    response: z.object({
      state: z.enum(['deleting', 'deleted']),
      erased: z.int(),
      last_seq: z.int(),
      chain_head: z.base64(),
      shredded_at: z.iso.datetime(),
      certificate: z.string().nullable(),
    }),
  },
} as const
export type OperatorOperation = keyof typeof OperatorOperations

/** Stable codes of the OperatorDoor, each with its HTTP status. */
export const OPERATOR_ERRORS = {
  operator_token_invalid: 401,
  operator_token_replayed: 401,
  tenant_unknown: 404,
  name_mismatch: 409,
  tenant_frozen: 423,
  budget_exceeded: 429,
  ledger_unreachable: 503,
  ledger_refused: 503,
  store_unreachable: 503,
  not_openable: 500,
  request_invalid: 422,
  request_too_large: 413,
  operation_unknown: 404,
} as const
export type OperatorErrorCode = keyof typeof OPERATOR_ERRORS
