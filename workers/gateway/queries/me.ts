import type { z } from 'zod'
import type { MeResponse } from '../../../domain/contracts/api.ts'
import type { UserId } from '../../../domain/contracts/ids.ts'
import type { Transaction } from '../../runtime/database.ts'

/** Memberships that one user can list; an agency's staff have a few. */
const MAX_TENANTS = 200

export async function memberships(sql: Transaction, userId: UserId): Promise<z.input<typeof MeResponse>['tenants']> {
  return sql<z.input<typeof MeResponse>['tenants']>`
    select tenants.id, tenants.name, tenants.state, tenants.tier, members.role
    from flarewatch.members join flarewatch.tenants on tenants.id = members.tenant_id
    where members.user_id = ${userId}
    order by members.created_at, tenants.id limit ${MAX_TENANTS}`
}
