import type { AuditContent } from '../../domain/audit/content.ts'
import { sealContent } from '../../domain/audit/content.ts'
import type { SealedRow } from '../../domain/audit/row.ts'
import { lengthPrefixed, utf8, uuidToBytes } from '../../domain/bytes.ts'
import { OUTCOME_ACTION } from '../../domain/contracts/acts.ts'
import type { ActOutcome } from '../../domain/contracts/connector-door.ts'
import type { AppendAnswer, Appended, AppendRequest } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId, type TenantId, type UserId } from '../../domain/contracts/ids.ts'
import { derivedUuid } from '../../domain/derived-uuid.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { log } from '../runtime/log.ts'
import { type AuditKeyRefusal, withAuditKeys } from './audit-keys.ts'
import { PART } from './call.ts'
import { askLedger } from './ledger.ts'
import type { Visit } from './visit.ts'

/** Who acts: told by the door, never by an argument of a caller. */
export type Actor = `user:${UserId}` | 'connector' | 'gateway' | 'operator'
export type AuditEvent = Omit<AuditContent, 'actor'> & { readonly tenantId: TenantId; readonly actor: Actor }
export type AppendRefusal = AuditKeyRefusal | Extract<AppendAnswer, { ok: false }>['code']

/** Seals an event into a row. What the ledger and Postgres get to see of it are lengths, tags and times. */
export async function sealEvent(
  visit: Visit,
  { tenantId, ...content }: AuditEvent,
  rowId: AuditRowId = newRowId(),
): Promise<Result<SealedRow, AuditKeyRefusal>> {
  return withAuditKeys(visit, tenantId, ({ newest }) =>
    sealContent({ auditKey: newest.key, keyVersion: newest.version, tenantId, rowId, content }),
  )
}

export async function appendRow(
  visit: Visit,
  tenantId: TenantId,
  row: SealedRow,
  release?: AppendRequest['release'],
): Promise<Result<AppendAnswer, 'ledger_unreachable'>> {
  const request = { row, at: visit.at, ...(release === undefined ? {} : { release }) }
  return askLedger(visit.bindings, tenantId, (ledger) => ledger.append(request))
}

/** An event that releases no key. */
export async function appendEvent(
  visit: Visit,
  event: AuditEvent,
  rowId: AuditRowId = newRowId(),
): Promise<Result<Appended, AppendRefusal>> {
  const row = await sealEvent(visit, event, rowId)
  if (!row.ok) return row
  const answer = await appendRow(visit, event.tenantId, row.value)
  if (!answer.ok) return answer
  return answer.value.ok ? success(answer.value) : failure(answer.value.code)
}

/**
 * The outcome row of an intent. Its id follows from the intent's, so that an act has one outcome: the first told. A
 * second telling seals other bytes under the same id, which the ledger refuses as a conflict, and that is no error.
 */
export async function appendOutcome(
  visit: Visit,
  intent: { readonly tenantId: TenantId; readonly actor: Actor; readonly target: string; readonly rowId: AuditRowId },
  { succeeded, code }: ActOutcome,
): Promise<Result<null, AppendRefusal>> {
  const { tenantId, actor, target, rowId } = intent
  const detail = { intent: rowId, succeeded: String(succeeded), code }
  const event = { tenantId, actor, action: OUTCOME_ACTION, target, detail }
  const appended = await appendEvent(visit, event, outcomeRowId(rowId))
  if (appended.ok || appended.code === 'row_conflict') return success(null)
  log(PART, 'error', 'outcome_not_appended', { tenant_id: tenantId, row_id: rowId, code: appended.code })
  return appended
}

export function newRowId(): AuditRowId {
  return AuditRowId.parse(crypto.randomUUID())
}

/** The first row of a tenant's chain: derived, so that a birth that is taken up again finds it. */
export function birthRowId(tenantId: TenantId): AuditRowId {
  return derivedRowId('flarewatch/birth-row/v1', tenantId)
}

export function outcomeRowId(intentRow: AuditRowId): AuditRowId {
  return derivedRowId('flarewatch/outcome-row/v1', intentRow)
}

/** The row that says that a rotation's old versions go, whoever ends the rotation. */
export function dekDestroyRowId(tenantId: TenantId, newest: number): AuditRowId {
  return derivedRowId(`flarewatch/dek-destroy-row/v1/${newest}`, tenantId)
}

/** The last row of a tenant's chain. */
export function deletionRowId(tenantId: TenantId): AuditRowId {
  return derivedRowId('flarewatch/deletion-row/v1', tenantId)
}

function derivedRowId(purpose: string, id: string): AuditRowId {
  return AuditRowId.parse(derivedUuid(lengthPrefixed(utf8(purpose), uuidToBytes(id))))
}
