import type { Forgery, Scene, Target } from '../forgery.ts'
import { deleteTenants } from '../superuser.ts'
import { byVerifier } from './in-postgres.ts'
import { onBothSides } from './on-both-sides.ts'

/** A tenant that was never there. */
export const TENANT_FORGERIES: readonly Forgery[] = [
  onBothSides('delete a whole tenant', 'every row of it in Postgres', async ({ scene, target }) => {
    await deleteEverywhere(scene, target)
    return [byVerifier(target, 1, 'tenant_missing')]
  }),
  onBothSides('delete a whole tenant', 'and its roster entry', async ({ scene, target, storage }) => {
    await deleteEverywhere(scene, target)
    storage.removeRosterEntry(target.tenantId)
    return [byVerifier(target, 1, 'tenant_missing')]
  }),
  onBothSides('delete a whole tenant', 'its roster entry alone', async ({ target, storage }) => {
    storage.removeRosterEntry(target.tenantId)
    return [byVerifier(target, 1, 'tenant_unrostered')]
  }),
]

async function deleteEverywhere({ superuser }: Scene, { tenantId }: Target): Promise<void> {
  const tables = await superuser.tenantTables()
  await superuser.unguarded((tx) => deleteTenants(tx, tables, [tenantId]))
}
