import { randomBytes } from 'node:crypto'
import { checkpointText, signNote } from '../../log-format.ts'
import { type Expected, type Forgery, type Scene, sizeOf, type Target } from '../forgery.ts'
import { byVerifier, inPostgres } from './in-postgres.ts'
import { onBothSides } from './on-both-sides.ts'

/** Receipts that say what was once true, or what somebody else says. */
export const RECEIPT_FORGERIES: readonly Forgery[] = [
  inPostgres('replay an old receipt', 'in Postgres, in place of the newest', async (tx, target) => {
    await tx`
      update flarewatch.receipts newest set (root, chain_head, note, at) = (
        select root, chain_head, note, at from flarewatch.receipts
        where log = ${target.tenantId} and size = ${target.older.size})
      where log = ${target.tenantId} and size = ${sizeOf(target)}`
    return inconsistent(target, sizeOf(target))
  }),
  inPostgres('replay an old receipt', 'in Postgres, its note alone', async (tx, target) => {
    await tx`
      update flarewatch.receipts newest set note = (
        select note from flarewatch.receipts where log = ${target.tenantId} and size = ${target.older.size})
      where log = ${target.tenantId} and size = ${sizeOf(target)}`
    return inconsistent(target, sizeOf(target))
  }),
  onBothSides('replay an old receipt', 'in R2, as the newest', async ({ target, storage }) => {
    storage.overwrite(newestOf(target), storage.contents(`receipts/${target.tenantId}/${target.older.size}`))
    // What is wrong is that a receipt of that size is the newest.
    return inconsistent(target, target.older.size)
  }),

  inPostgres('forge a receipt with another key', 'in Postgres', async (tx, target, _, scene) => {
    await tx`update flarewatch.receipts set note = ${noteByAnotherKey(scene, target, sizeOf(target))}
      where log = ${target.tenantId} and size = ${sizeOf(target)}`
    return inconsistent(target, sizeOf(target))
  }),
  onBothSides('forge a receipt with another key', 'in R2, as the newest', async ({ scene, target, storage }) => {
    storage.overwrite(newestOf(target), noteByAnotherKey(scene, target, sizeOf(target)))
    return inconsistent(target, sizeOf(target))
  }),
  onBothSides(
    'forge a receipt with another key',
    'in R2, in place of an earlier one',
    async ({ scene, target, storage }) => {
      const { size } = target.older
      storage.overwrite(`receipts/${target.tenantId}/${size}`, noteByAnotherKey(scene, target, size))
      return inconsistent(target, size)
    },
  ),
]

function inconsistent(target: Target, size: number): Expected[] {
  return [byVerifier(target, size, 'receipt_inconsistent')]
}

function newestOf({ tenantId }: Target): string {
  return `receipts/${tenantId}/latest`
}

/** All of it is true but whose word it is. */
function noteByAnotherKey({ logName }: Scene, { tenantId, rows }: Target, size: number): string {
  const hashes = rows.slice(0, size).map(({ hash }) => hash)
  const text = checkpointText({ logName, tenantId, hashes, time: new Date().toISOString() })
  return signNote(text, logName, randomBytes(32))
}
