import { CANARY, canaryContext } from '../../../domain/backup/canary.ts'
import { toBase64Url } from '../../../domain/bytes.ts'
import type { AuditRowId, TenantId } from '../../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { type AppendRefusal, appendEvent, appendOutcome, newRowId } from '../audit-append.ts'
import { askLedger, askRoster } from '../ledger.ts'
import { type ReleaseRefusal, release, type Unlocked, type Wrap } from '../release.ts'
import type { Visit } from '../visit.ts'
import { ACTOR, type Operation, operatorRefusal } from './operation.ts'

export const backupKey: Operation<'backup-key'> = async ({ bindings }) => {
  const key = await askRoster(bindings, (roster) => roster.backupKey())
  if (!key.ok) return key
  return key.value.ok ? success({ key_id: key.value.keyId }) : failure(key.value.code)
}

/** One tenant's shares, sealed by its ledger to the backup key. The row is in the chain before they are. */
export const backupTenant: Operation<'backup-tenant'> = async (visit, { tenant_id: tenantId, backup_id: backupId }) => {
  const key = await askRoster(visit.bindings, (roster) => roster.backupKey())
  if (!key.ok) return key
  if (!key.value.ok) return failure(key.value.code)
  const intent = { tenantId, actor: ACTOR, target: `tenant:${tenantId}`, rowId: newRowId() } as const
  const detail = { backup: backupId, key: key.value.keyId }
  const canary = await noteAndWrap(visit, intent, detail)
  if (!canary.ok) return failure(operatorRefusal(canary.code))

  const { rowId } = intent
  const sealed = await askLedger(visit.bindings, tenantId, (ledger) => ledger.sealShares({ rowId, backupId }))
  if (!sealed.ok) return sealed
  const { value: answer } = sealed
  const told = await appendOutcome(visit, intent, { succeeded: answer.ok, code: answer.ok ? 'sealed' : answer.code })
  if (!answer.ok) return failure(answer.code === 'row_unknown' ? 'ledger_refused' : answer.code)
  if (!told.ok) return failure(operatorRefusal(told.code))
  const { value: wrap } = canary
  return success({
    row_id: rowId,
    key_id: answer.keyId,
    sealed: toBase64Url(answer.sealed),
    canary: wrap === null ? null : { kek_version: wrap.kekVersion, wrapped: toBase64Url(wrap.wrapped) },
  })
}

type Intent = {
  readonly tenantId: TenantId
  readonly actor: typeof ACTOR
  readonly target: string
  readonly rowId: AuditRowId
}

/** The canary needs the share, and so a release. A frozen tenant gives none, and is backed up without. */
async function noteAndWrap(
  visit: Visit,
  { rowId, ...intent }: Intent,
  detail: Readonly<Record<string, string>>,
): Promise<Result<Wrap | null, ReleaseRefusal | AppendRefusal>> {
  const event = { ...intent, action: 'keys.backup', detail }
  const head = await askLedger(visit.bindings, intent.tenantId, (ledger) => ledger.head())
  if (!head.ok) return head
  if (head.value.frozen) {
    const noted = await appendEvent(visit, event, rowId)
    return noted.ok ? success(null) : noted
  }
  const wrapCanary = ({ wrap }: Unlocked) => wrap(canaryContext(intent.tenantId), CANARY)
  const released = await release(visit, { ...event, door: 'operator', rowId }, wrapCanary)
  return released.ok ? success(released.value.opened) : released
}
