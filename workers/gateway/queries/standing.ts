import { z } from 'zod'
import { TenantId, type UserId } from '../../../domain/contracts/ids.ts'
import type { Transaction } from '../../runtime/database.ts'

const Standing = z.object({
  session: z.enum(['live', 'ended', 'expired']),
  use_due: z.boolean(),
  totp_enrolled: z.boolean(),
  tenant_id: TenantId.nullable(),
})
/** What the database says about the bound user before any tenant's data is asked for. */
export type Standing = {
  readonly session: 'live' | 'ended' | 'expired'
  /** Its last use was noted a while ago. */
  readonly useDue: boolean
  /** Of a session that is live. */
  readonly totpEnrolled: boolean
  /** The named tenant if the user is a member of it; with none named, the oldest membership. */
  readonly tenantId: TenantId | null
}

export async function standingOf(sql: Transaction, userId: UserId, named: TenantId | null): Promise<Standing> {
  const [row] = await sql`
    select
      session.state as session, session.use_due, flarewatch.totp_enrolled() as totp_enrolled,
      (
        select tenant_id from flarewatch.members
        where user_id = ${userId} and (${named}::uuid is null or tenant_id = ${named}::uuid)
        order by created_at, tenant_id limit 1
      ) as tenant_id
    from flarewatch.claim_session() as session`
  const { session, use_due, totp_enrolled, tenant_id } = Standing.parse(row)
  return { session, useDue: use_due, totpEnrolled: totp_enrolled, tenantId: tenant_id }
}
