import { z } from 'zod'
import { AuditRowId, TenantId } from './ids.ts'
import { Tier } from './tiers.ts'

/**
 * HTTP between the platform operator's command line and the vault: `POST {vault}/operator/v1/{operation}`. One proof: the
 * operator JWT (authorization), whose claims are those of `request-token.ts`.
 */
export const OPERATOR_DOOR_PATH = '/operator/v1/'
export const OPERATOR_JWT_ISSUER = 'flarewatch-operator'
export const OPERATOR_JWT_AUDIENCE = 'flarewatch-vault-operator'

const MAX_NOTE_CHARACTERS = 4096
const bytes = (length: number) => z.base64url().length(Math.ceil((length * 4) / 3))
const place = z.int().nonnegative()

/** The newest signed checkpoint of the tenant's log that the operator could get hold of; null where none was ever signed. */
const Receipt = z.string().max(MAX_NOTE_CHARACTERS).nullable()
const Canary = z.object({ kek_version: z.int().positive(), wrapped: bytes(60) }).nullable()

/** Why a tenant is frozen, in the operator's words; kept in the ledger and in the sealed row. */
export const FreezeReason = z.string().trim().min(1).max(200)

const kekVersion = z.int().min(1).max(0xffffffff)
const version = z.strictObject({ version: kekVersion })
const MAX_CENSUS_CHARACTERS = 32_768
export const KekState = z.enum(['opening', 'wrapping', 'denied', 'draining', 'retired'])
/** Rows under a version; an id is a credential's, or the version of a tenant's key. */
export const KekRow = z.object({
  tenant_id: TenantId,
  kind: z.enum(['tenant_key', 'audit_key', 'credential']),
  id: z.string(),
})
export type KekRow = z.infer<typeof KekRow>
export const KekLine = z.object({
  version: kekVersion,
  state: KekState,
  since: z.iso.datetime(),
  check_value: z.base64url().length(43),
  rows: z.object({ tenant_keys: z.int(), audit_keys: z.int(), credentials: z.int() }),
  /** When the last row had left it, as far as anybody has counted; from then on the backup window runs. */
  emptied_at: z.iso.datetime().nullable(),
  /** The id of the backup key that the version was sealed to. */
  escrowed_to: z.string().nullable(),
})
export type KekLine = z.infer<typeof KekLine>
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
  'tenant-tier': {
    request: z.strictObject({ tenant_id: TenantId, tier: Tier }),
    response: z.object({ tier: Tier, row_id: AuditRowId }),
  },
  /** Every KEK version, as states and counts are now. Counting also tells the vault when the last row has left a version. */
  'kek-status': {
    request: z.strictObject({}),
    response: z.object({
      versions: z.array(KekLine),
      /** What the isolate that answers has bound; another may have other versions while a deployment is under way. */
      isolate: z.object({ id: z.uuid(), bound: z.array(kekVersion), refusal: z.string().nullable() }),
      history: z.array(z.object({ version: kekVersion, state: KekState, at: z.iso.datetime() })),
    }),
  },
  /** The version opens from now on. Refused by an isolate that lacks it (`kek_version_unknown`): ask again. */
  'kek-admit': { request: version, response: z.object({ admitted: z.literal(true) }) },
  /** Whether the isolate that answers has the version, and which isolate that is. */
  'kek-probe': { request: version, response: z.object({ isolate: z.uuid() }) },
  /** The version wraps from now on, and the one that did only opens. */
  'kek-promote': { request: version, response: z.object({ promoted: z.literal(true) }) },
  /** Begins, or goes on, to move what is under other versions. */
  'kek-rewrap': { request: z.strictObject({}), response: z.object({ started: z.literal(true) }) },
  /** The version opens nothing at any door from now on. */
  'kek-deny': { request: version, response: z.object({ denied: z.literal(true) }) },
  /** A version that was denied opens for re-wrapping alone. */
  'kek-drain': { request: version, response: z.object({ draining: z.literal(true) }) },
  /** The rows under a version, one page; `next` is the `after` of the next. */
  'kek-rows': {
    request: version.extend({
      after: z
        .string()
        .regex(/^[0-9a-f-]{36} [a-z_]{1,16} [0-9a-f-]{1,36}$/)
        .nullable(),
    }),
    response: z.object({ rows: z.array(KekRow), next: z.string().nullable() }),
  },
  /** The version, sealed to the backup key that this deployment names; `key_id` says which. It is for the operator to keep. */
  'kek-escrow': {
    request: version,
    response: z.object({ key_id: z.string().length(16), sealed: z.base64url() }),
  },
  /** The text of the census that retiring the version needs, for the operator to sign. */
  'kek-census': { request: version, response: z.object({ text: z.string() }) },
  /** The version opens nothing from now on, for good. `census` is the note as signed, and as kept when it had been retired before. */
  'kek-retire': {
    request: version.extend({ census: z.string().max(MAX_CENSUS_CHARACTERS) }),
    response: z.object({ retired: z.literal(true), census: z.string() }),
  },
  /** Living tenants of the roster, in order of entry, by pages: a page may have none and still name the next. */
  'roster-list': {
    request: z.strictObject({ cursor: place.nullable() }),
    response: z.object({ tenants: z.array(TenantId), next: place.nullable() }),
  },
  /** Which key the ledgers seal to. */
  'backup-key': {
    request: z.strictObject({}),
    response: z.object({ key_id: z.string().length(16) }),
  },
  'backup-tenant': {
    request: z.strictObject({ tenant_id: TenantId, backup_id: z.uuid().lowercase() }),
    response: z.object({ row_id: AuditRowId, key_id: z.string().length(16), sealed: z.base64url(), canary: Canary }),
  },
  'restore-offer': {
    request: z.strictObject({ tenant_id: TenantId }),
    response: z.object({ offer_id: z.uuid(), public_key: bytes(32) }),
  },
  /** `sealed` holds both shares under the offer's key; the rest is what the backup says of the chain. */
  'restore-tenant': {
    request: z.strictObject({
      tenant_id: TenantId,
      offer_id: z.uuid().lowercase(),
      sealed: z.base64url().max(1024),
      backup_id: z.uuid().lowercase(),
      seq: place,
      hash: bytes(32),
      birth_hash: bytes(32),
      canary: Canary,
      receipt: Receipt,
    }),
    response: z.object({
      row_id: AuditRowId,
      /** Where the chain stood when the ledger took it up again. */
      seq: place,
      receipt_size: place.nullable(),
      canary: z.enum(['opened', 'absent', 'kek_retired']),
    }),
  },
  'ledger-status': {
    request: z.strictObject({ tenant_id: TenantId }),
    response: z.object({
      state: z.enum([
        'unborn',
        'lost',
        'unproven',
        'behind',
        'rows_gone',
        'row_rewritten',
        'postgres_unreachable',
        'agrees',
      ]),
      seq: place,
      flushed_seq: place,
      stored_seq: place.nullable(),
      missing: place,
      frozen: z.boolean(),
    }),
  },
  /** One page, newest first; `act_row` and `below` are null in the first request, and then what the answer before said. */
  'ledger-refeed': {
    request: z.strictObject({
      tenant_id: TenantId,
      act_row: AuditRowId.nullable(),
      below: z.int().positive().nullable(),
    }),
    response: z.object({ act_row: AuditRowId, refed: place, below: z.int().positive().nullable() }),
  },
  'ledger-adopt': {
    request: z.strictObject({ tenant_id: TenantId, receipt: Receipt }),
    response: z.object({
      row_id: AuditRowId,
      /** The ledger's last row before, and the row of Postgres that it goes on from. */
      from_seq: place,
      adopted_seq: place,
      receipt_size: place.nullable(),
      carried: place,
    }),
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
  kek_unknown: 404,
  kek_state: 409,
  kek_wraps: 409,
  kek_in_use: 409,
  kek_backup_window: 409,
  census_invalid: 422,
  kek_missing: 503,
  kek_malformed: 503,
  kek_demo: 503,
  kek_mismatch: 503,
  kek_denied: 503,
  kek_retired: 503,
  name_mismatch: 409,
  tenant_deleted: 410,
  tenant_frozen: 423,
  budget_exceeded: 429,
  ledger_unreachable: 503,
  ledger_refused: 503,
  store_unreachable: 503,
  kek_version_unknown: 503,
  ledger_behind: 409,
  ledger_full: 503,
  ledger_lost: 409,
  ledger_unproven: 409,
  ledger_live: 409,
  ledger_contradicted: 409,
  not_behind: 409,
  head_moved: 409,
  offer_unknown: 409,
  backup_key_missing: 409,
  backup_key_malformed: 409,
  backup_contradicted: 409,
  receipt_invalid: 422,
  receipt_contradicted: 409,
  postgres_behind: 409,
  chain_broken: 409,
  chain_empty: 409,
  rows_not_ours: 409,
  roster_conflict: 409,
  refeed_refused: 409,
  not_openable: 500,
  request_invalid: 422,
  request_too_large: 413,
  operation_unknown: 404,
} as const
export type OperatorErrorCode = keyof typeof OPERATOR_ERRORS
