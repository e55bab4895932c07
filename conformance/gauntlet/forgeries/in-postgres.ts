import type { Random } from '../../random.ts'
import type { Expected, Forgery, Scene, Target } from '../forgery.ts'
import type { Tx } from '../log-rows.ts'
import { CHAIN_TABLES, type Superuser } from '../superuser.ts'

export type Change = (tx: Tx, target: Target, random: Random, scene: Scene) => Promise<readonly Expected[]>

/** A tenant that there is not. */
export const NOBODY = '00000000-0000-4000-8000-000000000000'

/** A forgery of rows alone: one transaction of a superuser, undone from copies of all that vouches for a chain. */
export function inPostgres(kind: string, variant: string, change: Change): Forgery {
  return {
    kind,
    variant,
    down: false,
    forge: async (scene, target, random) => {
      const { superuser, targets } = scene
      const tenantIds = [...targets.map(({ tenantId }) => tenantId), NOBODY]
      const undo = await undoOf(superuser, CHAIN_TABLES, tenantIds)
      const expected = await superuser.unguarded((tx) => change(tx, target, random, scene))
      return { expected, undo }
    },
  }
}

/** Copies what is there, and answers how to put it back. */
export async function undoOf(
  superuser: Superuser,
  tables: readonly string[],
  tenantIds: readonly string[],
): Promise<() => Promise<void>> {
  const saved = await superuser.save(tables, tenantIds)
  return async () => {
    await superuser.restore(saved)
    await superuser.forget(saved)
  }
}

export function byVerifier({ tenantId }: Pick<Target, 'tenantId'>, seq: number, ...kinds: string[]): Expected {
  return { tenantId, by: 'verifier', names: kinds.map((kind) => ({ kind, seq })) }
}
