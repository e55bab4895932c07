import { bornTenant, type StandTenant, storeCredential } from '../stands/tenants.ts'
import type { VaultStand } from '../stands/vault-stand.ts'

export type Held = {
  readonly tenant: StandTenant
  readonly id: string
  readonly secret: string
  readonly sealed: Uint8Array
}

/** Below the releases that the functions' door has for one tenant in an hour. */
const CREDENTIALS_A_TENANT = 150
const AT_A_TIME = 8

/** Agencies with credentials, stored as the Edge Functions store them: each through the vault's door, sealed outside of it. */
export async function storeCredentials(
  stand: VaultStand,
  count: number,
  perTenant = CREDENTIALS_A_TENANT,
): Promise<Held[]> {
  const tenants = Math.ceil(count / perTenant)
  const shares = Array.from({ length: tenants }, (_, index) => Math.min(perTenant, count - index * perTenant))
  const held: Held[] = []
  await inParallel(shares, AT_A_TIME, async (share) => {
    const tenant = await bornTenant(stand)
    for (let index = 0; index < share; index += 1) {
      const secret = `cf-token-of-${tenant.id}-${index}`
      const { id, sealed } = await storeCredential(stand, tenant, secret)
      held.push({ tenant, id, secret, sealed })
    }
  })
  return held
}

export async function inParallel<Item>(
  items: readonly Item[],
  atATime: number,
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items]
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item)
  }
  await Promise.all(Array.from({ length: atATime }, worker))
}
