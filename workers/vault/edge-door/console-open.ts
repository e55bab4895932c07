import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { failure, success } from '../../../domain/result.ts'
import { claimFreshness } from '../freshness.ts'
import { readSealedDek } from '../jobs.ts'
import { openingSubkey } from '../opening-subkey.ts'
import { release } from '../release.ts'
import { CONSOLE_ACTION, statementDetail } from './console-begin.ts'
import { edgeRefusal, type Operation, requireRoleFor } from './operation.ts'

/** A statement for a client's project: as in one's own warehouse, and the row that announces it releases the key of one record. */
export const consoleOpen: Operation<'console-open'> = async (visit, request) => {
  const { tenant_id, credential_id } = request
  const member = await requireRoleFor(visit, tenant_id, CONSOLE_ACTION)
  if (!member.ok) return member
  const sealed = await readSealedDek(visit, request)
  if (!sealed.ok) return sealed
  const { value: record } = sealed
  if (record === null || record.signs_webhooks) return failure('credential_unknown')
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const act = {
    door: 'edge',
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action: CONSOLE_ACTION,
    target: `credential:${credential_id}`,
    detail: { ...statementDetail(request), site_id: request.site_id },
  } as const
  const released = await release(visit, act, (unlocked) => openingSubkey(unlocked, request, record))
  if (!released.ok) return failure(edgeRefusal(released.code))
  const { opened: subkey, intentRow } = released.value
  try {
    return success({ dek_version: record.dek_version, subkey: toBase64Url(subkey), intent_row: intentRow })
  } finally {
    zeroize(subkey)
  }
}
