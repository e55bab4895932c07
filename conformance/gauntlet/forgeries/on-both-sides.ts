import type { Random } from '../../random.ts'
import { type Expected, type Forgery, needed, type Scene, type Target } from '../forgery.ts'
import type { Storage } from '../storage.ts'
import { undoOf } from './in-postgres.ts'

type Attack = { readonly scene: Scene; readonly target: Target; readonly random: Random; readonly storage: Storage }

/** A forgery of files of the Workers' side, and of rows where it says so. All of both sides that names a tenant is put back afterwards. */
export function onBothSides(
  kind: string,
  variant: string,
  attack: (attack: Attack) => Promise<readonly Expected[]>,
): Forgery {
  return {
    kind,
    variant,
    down: true,
    forge: async (scene, target, random, maybeStorage) => {
      const storage = needed(maybeStorage)
      const { superuser, targets } = scene
      const { tenantId } = target
      const undoRows = await undoOf(
        superuser,
        await superuser.tenantTables(),
        targets.map((one) => one.tenantId),
      )
      const ledger = storage.saveFiles(storage.ledgerFile(tenantId))
      const bucket = storage.saveBucket(tenantId)
      const roster = storage.saveRosterEntry(tenantId)
      const expected = await attack({ scene, target, random, storage })
      return {
        expected,
        undo: async (later) => {
          const now = needed(later)
          await undoRows()
          now.restoreFiles(now.ledgerFile(tenantId), ledger)
          now.restoreBucket(tenantId, bucket)
          now.restoreRosterEntry(roster)
        },
      }
    },
  }
}
