import { z } from 'zod'
import type { TenantId, UserId } from '../../domain/contracts/ids.ts'
import { Role } from '../../domain/contracts/roles.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { reach } from './call.ts'
import type { Visit } from './visit.ts'

/** `admin` is what the database calls an operator until its rows are renamed. */
const StoredRole = z.preprocess((role) => (role === 'admin' ? 'operator' : role), Role)
const Membership = z.object({ role: StoredRole, state: z.enum(['pending', 'active']) })
export type Membership = z.infer<typeof Membership>

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
