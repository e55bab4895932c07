import { type AuditContent, openContent } from '../../domain/audit/content.ts'
import type { SealedRow } from '../../domain/audit/row.ts'
import { toBase64Url } from '../../domain/bytes.ts'
import { AuditRowId, type TenantId } from '../../domain/contracts/ids.ts'
import type { AuditKeys } from './audit-keys.ts'

export type StoredRow = {
  readonly seq: number
  readonly row_id: string
  readonly at: Date
  readonly key_version: number
  readonly actor_tag: Uint8Array
  readonly action_tag: Uint8Array
  readonly target_tag: Uint8Array
  readonly sealed: Uint8Array
  readonly hash: Uint8Array
}
export const STORED_COLUMNS = [
  'seq',
  'row_id',
  'at',
  'key_version',
  'actor_tag',
  'action_tag',
  'target_tag',
  'sealed',
  'hash',
] as const

export type UnsealedRow = AuditContent & {
  readonly seq: number
  readonly row_id: AuditRowId
  readonly at: string
  readonly hash: string
}

/** A row that does not open is shown as such: hiding the log behind one damaged row would serve whoever damaged it. */
export async function unsealedRow(keys: AuditKeys, tenantId: TenantId, stored: StoredRow): Promise<UnsealedRow> {
  const row: SealedRow = {
    tenantId,
    rowId: stored.row_id,
    keyVersion: stored.key_version,
    actorTag: stored.actor_tag,
    actionTag: stored.action_tag,
    targetTag: stored.target_tag,
    sealed: stored.sealed,
  }
  const auditKey = keys.ofVersion(stored.key_version)
  const content = auditKey === null ? null : await openContent({ auditKey, row })
  const { actor, action, target, detail } = content?.ok ? content.value : UNOPENABLE
  return {
    seq: stored.seq,
    row_id: AuditRowId.parse(stored.row_id),
    at: stored.at.toISOString(),
    hash: toBase64Url(stored.hash),
    actor,
    action,
    target,
    detail,
  }
}

const UNOPENABLE: AuditContent = { actor: '', action: 'row.not_openable', target: '', detail: {} }
