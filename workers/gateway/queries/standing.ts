import { z } from 'zod'
import { TenantId, type UserId } from '../../../domain/contracts/ids.ts'
import type { Transaction } from '../../runtime/database.ts'

const Standing = z.object({ totp_enrolled: z.boolean(), tenant_id: TenantId.nullable() })
/** What the database says about the bound user before any tenant's data is asked for. */
export type Standing = {
  readonly totpEnrolled: boolean
  /** The named tenant if the user is a member of it; with none named, the oldest membership. */
  readonly tenantId: TenantId | null
}

export async function standingOf(sql: Transaction, userId: UserId, named: TenantId | null): Promise<Standing> {
  const [row] = await sql`
    select
      flarewatch.totp_enrolled() as totp_enrolled,
      (
        select tenant_id from flarewatch.members
        where user_id = ${userId} and (${named}::uuid is null or tenant_id = ${named}::uuid)
        order by created_at, tenant_id limit 1
      ) as tenant_id`
  const { totp_enrolled, tenant_id } = Standing.parse(row)
  return { totpEnrolled: totp_enrolled, tenantId: tenant_id }
}
