import { toBase64Url } from '../../../domain/bytes.ts'
import type { KekVersion } from '../../../domain/contracts/kek-versions.ts'
import type { KekLine } from '../../../domain/contracts/operator-door.ts'
import { success } from '../../../domain/result.ts'
import { noteRowCounts, type RowCounts } from '../kek-rows.ts'
import { judgeKeks } from '../keks.ts'
import { askKekVersions } from '../ledger.ts'
import { isolateId } from './isolate.ts'
import type { Operation } from './operation.ts'

/** Works in an isolate whose own keys are refused too: that is when it is needed. */
export const kekStatus: Operation<'kek-status'> = async (visit) => {
  const judged = await judgeKeks(visit)
  const counts = await noteRowCounts(visit)
  if (!counts.ok) return counts
  const known = await askKekVersions(visit.bindings, async (kek) => ({
    versions: await kek.versions(),
    history: await kek.history(),
  }))
  if (!known.ok) return known
  return success({
    versions: known.value.versions.map((version) => kekLine(version, counts.value)),
    isolate: {
      id: isolateId(),
      bound: judged.ok ? judged.value.map(({ version }) => version) : [],
      refusal: judged.ok ? null : judged.code,
    },
    history: known.value.history.map(({ version, state, at }) => ({ version, state, at: new Date(at).toISOString() })),
  })
}

function kekLine({ version, state, since, checkValue, emptiedAt }: KekVersion, counts: readonly RowCounts[]): KekLine {
  const counted = counts.find((one) => one.version === version)
  return {
    version,
    state,
    since: new Date(since).toISOString(),
    check_value: toBase64Url(checkValue),
    rows: {
      tenant_keys: counted?.tenantKeys ?? 0,
      audit_keys: counted?.auditKeys ?? 0,
      credentials: counted?.credentials ?? 0,
    },
    emptied_at: emptiedAt === null ? null : new Date(emptiedAt).toISOString(),
  }
}
