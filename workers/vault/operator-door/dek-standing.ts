import { failure, success } from '../../../domain/result.ts'
import { dekStanding, destroyOldDeks, type Standing } from '../dek-rotation.ts'
import { ACTOR, type Operation, type ResponseOf } from './operation.ts'

/** Where a tenant's rotation stands. Looking also ends a rotation whose last step was lost. */
export const dekStandingNow: Operation<'dek-standing'> = async (visit, { tenant_id: tenantId }) => {
  await destroyOldDeks(visit, tenantId, ACTOR)
  const standing = await dekStanding(visit, tenantId)
  if (!standing.ok) return standing
  return standing.value === null ? failure('tenant_unknown') : success(shownStanding(standing.value))
}

export function shownStanding({ versions, newest, ...counts }: Standing): ResponseOf<'dek-standing'> {
  return { state: versions.length > 1 ? 'rotating' : 'settled', version: newest, versions, ...counts }
}
