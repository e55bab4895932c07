import { type Result, success } from '../../../domain/result.ts'
import { noteRowCounts } from '../kek-rows.ts'
import { currentKeks, type KekRefusal } from '../keks.ts'
import type { Visit } from '../visit.ts'

/** Counts what is under each version, and sends again what a lost message left behind. */
export async function rewrapCron(visit: Visit): Promise<Result<null, KekRefusal>> {
  const ring = await currentKeks(visit)
  if (!ring.ok) return ring
  const counts = await noteRowCounts(visit)
  if (!counts.ok) return counts
  const left = counts.value.some(({ version, total }) => total > 0 && ring.value.stale.includes(version))
  if (left && ring.value.wrapping().ok) await startRewrap(visit)
  return success(null)
}

export async function startRewrap({ bindings }: Visit): Promise<void> {
  await bindings.REWRAP.send({ kind: 'tenants', after: null })
}
