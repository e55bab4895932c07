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
} as const
export type OperatorOperation = keyof typeof OperatorOperations

/** Stable codes of the OperatorDoor, each with its HTTP status. */
export const OPERATOR_ERRORS = {
  operator_token_invalid: 401,
  operator_token_replayed: 401,
  tenant_unknown: 404,
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
