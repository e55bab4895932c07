import type { AuditRowId, TenantId } from '../../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { type AppendRefusal, appendEvent, newRowId } from '../audit-append.ts'
import { raiseIncident } from '../incidents.ts'
import { askLedger } from '../ledger.ts'
import type { Visit } from '../visit.ts'
import { ACTOR, type Operation, operatorRefusal } from './operation.ts'

/** Flow 3: rows that Postgres acknowledged and lost come back by an operator's act, which is a row before any of them moves. */
export const ledgerRefeed: Operation<'ledger-refeed'> = async (visit, { tenant_id: tenantId, act_row, below }) => {
  const act = act_row === null ? await noteAct(visit, tenantId) : success(act_row)
  if (!act.ok) return failure(operatorRefusal(act.code))
  const request = { actRow: act.value, below: below ?? Number.MAX_SAFE_INTEGER }
  const page = await askLedger(visit.bindings, tenantId, (ledger) => ledger.refeed(request))
  if (!page.ok) return page
  const { value: answer } = page
  if (answer.ok) return success({ act_row: act.value, refed: answer.refed, below: answer.below })
  if (answer.code === 'refeed_refused') {
    const { seq } = answer
    await raiseIncident(visit, tenantId, { kind: 'refeed_refused', seq, detail: { act_row: act.value } })
  }
  return failure(answer.code === 'row_unknown' ? 'request_invalid' : answer.code)
}

async function noteAct(visit: Visit, tenantId: TenantId): Promise<Result<AuditRowId, AppendRefusal>> {
  const rowId = newRowId()
  const target = `tenant:${tenantId}`
  const event = { tenantId, actor: ACTOR, action: 'ledger.refeed', target, detail: {} } as const
  const noted = await appendEvent(visit, event, rowId)
  return noted.ok ? success(rowId) : noted
}
