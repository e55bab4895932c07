import { z } from 'zod'
import { TenantId, type UserId } from '../../domain/contracts/ids.ts'
import { Role } from '../../domain/contracts/roles.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { reach } from './call.ts'
import type { Visit } from './visit.ts'

const Membership = z.object({ role: Role, state: z.enum(['pending', 'active']) })
export type Membership = z.infer<typeof Membership>

/** The agencies that a person can act in. */
export async function activeTenantsOf(
  { sql }: Visit,
  userId: UserId,
): Promise<Result<TenantId[], 'store_unreachable'>> {
  const rows = await reach(
    'store_unreachable',
    () => sql<{ tenant_id: string }[]>`
      select m.tenant_id from flarewatch.members m join flarewatch.tenants t on t.id = m.tenant_id
      where m.user_id = ${userId} and t.state = 'active' order by m.tenant_id`,
  )
  return rows.ok ? success(rows.value.map(({ tenant_id }) => TenantId.parse(tenant_id))) : rows
}

export async function membershipOf(
  { sql }: Visit,
  tenantId: TenantId,
  userId: UserId,
): Promise<Result<Membership, 'not_a_member' | 'store_unreachable'>> {
  const rows = await reach(
    'store_unreachable',
    () => sql`
      select m.role, t.state from flarewatch.members m join flarewatch.tenants t on t.id = m.tenant_id
      where m.tenant_id = ${tenantId} and m.user_id = ${userId}`,
    { tenant_id: tenantId },
  )
  if (!rows.ok) return rows
  const [row] = rows.value
  return row === undefined ? failure('not_a_member') : success(Membership.parse(row))
}
