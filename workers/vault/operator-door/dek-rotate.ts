import { failure } from '../../../domain/result.ts'
import { addDek, dekStanding } from '../dek-rotation.ts'
import { rpcRefusal } from '../rpc-refusal.ts'
import { dekStandingNow } from './dek-standing.ts'
import type { Operation } from './operation.ts'

/** Begins a rotation, or goes on with the one that is under way: its new version is there already, and records follow by themselves. */
export const dekRotate: Operation<'dek-rotate'> = async (visit, { tenant_id }) => {
  const standing = await dekStanding(visit, tenant_id)
  if (!standing.ok) return standing
  if (standing.value === null) return failure('tenant_unknown')
  const { newest, versions } = standing.value
  if (versions.length === 1) {
    const added = await addDek(visit, tenant_id, newest + 1)
    if (!added.ok) return failure(rpcRefusal(added.code))
  }
  return dekStandingNow(visit, { tenant_id })
}
