import { hasOutcome, OUTCOME_ACTION, UNKNOWN_AFTER_MS } from '../../domain/contracts/acts.ts'
import type { UnsealedAudit } from '../../domain/contracts/gateway-door.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { outcomeRowId } from './audit-append.ts'
import type { AuditKeys } from './audit-keys.ts'
import { STORED_COLUMNS, type StoredRow, type UnsealedRow, unsealedRow } from './unsealed-rows.ts'
import type { Visit } from './visit.ts'

type Entry = UnsealedAudit['rows'][number]

/**
 * Each row with how its act ended, wherever in the log its outcome row stands: an outcome's id follows from its intent's, so it is
 * looked up and not searched for. An act of which nothing was heard for ten minutes is `unknown` (L1).
 */
export async function withOutcomes(
  visit: Visit,
  keys: AuditKeys,
  tenantId: TenantId,
  rows: readonly UnsealedRow[],
): Promise<Entry[]> {
  const intents = rows.filter(({ action }) => hasOutcome(action))
  const endings = await readRowsById(
    visit,
    tenantId,
    intents.map(({ row_id }) => outcomeRowId(row_id)),
  )
  const told = await Promise.all(endings.map((stored) => unsealedRow(keys, tenantId, stored)))
  const byIntent = new Map(
    told.filter(({ action }) => action === OUTCOME_ACTION).map((row) => [row.detail.intent, row]),
  )
  return rows.map((row) => ({ ...row, outcome: outcomeOf(row, byIntent.get(row.row_id), visit.at) }))
}

function outcomeOf(row: UnsealedRow, ending: UnsealedRow | undefined, now: number): Entry['outcome'] {
  if (!hasOutcome(row.action)) return null
  if (ending === undefined) return { state: now - Date.parse(row.at) > UNKNOWN_AFTER_MS ? 'unknown' : 'open' }
  const { seq, at, detail } = ending
  return { state: detail.succeeded === 'true' ? 'succeeded' : 'failed', seq, at, code: detail.code ?? '' }
}

async function readRowsById({ sql }: Visit, tenantId: TenantId, ids: readonly string[]): Promise<StoredRow[]> {
  if (ids.length === 0) return []
  return sql<StoredRow[]>`
    select ${sql(STORED_COLUMNS)} from flarewatch.audit_log where tenant_id = ${tenantId} and row_id in ${sql(ids)}`
}
