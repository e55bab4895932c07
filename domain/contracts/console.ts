import { z } from 'zod'
import { utf8 } from '../bytes.ts'
import { CredentialId, SiteId, TenantId } from './ids.ts'

/** Of a statement that is kept in the audit row itself; of a longer one only its digest is. */
export const MAX_KEPT_STATEMENT_BYTES = 4096
/** Of a statement that is run at all. */
export const MAX_STATEMENT_BYTES = 6000
export const MAX_ROWS = 10_000
export const MAX_RESULT_BYTES = 5_000_000
export const STATEMENT_MS = 10_000

/** Tab, line feed and carriage return are the control characters that SQL text needs; NUL would end it early for a parser in C. */
const CONTROL = /[^\P{Cc}\t\n\r]/u

/** Whether text is what it seems: no control characters, no half of a surrogate pair. */
export function isPlainText(text: string): boolean {
  return text.isWellFormed() && !CONTROL.test(text)
}

export const KeptStatement = z
  .string()
  .min(1)
  .max(MAX_KEPT_STATEMENT_BYTES)
  .refine((text) => isPlainText(text) && utf8(text).length <= MAX_KEPT_STATEMENT_BYTES)

/** `boolean`, `number` and `timestamp` (UTC, ISO 8601) are what a table sets apart; `type` is Postgres's own name. */
export const ColumnKind = z.enum(['text', 'number', 'boolean', 'timestamp'])
export const ConsoleColumn = z.object({ name: z.string(), type: z.string(), kind: ColumnKind })
export type ConsoleColumn = z.infer<typeof ConsoleColumn>

/** Why a statement brought no rows. `position` counts characters of the statement, from 1. */
export const StatementFailure = z.object({
  state: z.literal('failed'),
  code: z.enum([
    'statement_refused',
    'statement_invalid',
    'statement_failed',
    'statement_timed_out',
    'statement_cancelled',
    'result_too_large',
  ]),
  message: z.string(),
  sqlstate: z.string().nullable(),
  position: z.int().min(1).nullable(),
})
export type StatementFailure = z.infer<typeof StatementFailure>

/** The id is the client's, so that it can be cancelled by a second request before the first is answered. */
const StatementRun = z.strictObject({
  tenant_id: TenantId,
  statement_id: z.uuid().lowercase(),
  statement: z.string().min(1).max(MAX_STATEMENT_BYTES),
  /** A client's Supabase project, by its site and the key of it; without it, the tenant's own warehouse. */
  project: z.strictObject({ credential_id: CredentialId, site_id: SiteId }).optional(),
})
const StatementCancel = z.strictObject({ tenant_id: TenantId, cancel: z.uuid().lowercase() })
export type StatementRun = z.infer<typeof StatementRun>

/**
 * `sql-console`: AAL2 fresh, owner or operator. Every value is text as Postgres writes it, so that no number is rounded on the way; null
 * is SQL's null. A statement that fails is an answer too, since its text is the user's own.
 */
export const SqlConsole = {
  request: z.union([StatementRun, StatementCancel]),
  response: z.discriminatedUnion('state', [
    z.object({
      state: z.literal('answered'),
      columns: z.array(ConsoleColumn),
      rows: z.array(z.array(z.string().nullable())),
      /** Whether there were more than the limits let through. */
      truncated: z.boolean(),
      milliseconds: z.int(),
    }),
    StatementFailure,
    /** Of a cancel: how many sessions it ended. */
    z.object({ state: z.literal('cancelled'), ended: z.int() }),
  ]),
}
export type StatementAnswer = Exclude<z.infer<typeof SqlConsole.response>, { state: 'cancelled' }>
