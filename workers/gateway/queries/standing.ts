import { z } from 'zod'
import { type TenantId, TenantId as TenantIdSchema, type UserId } from '../../../domain/contracts/ids.ts'
import type { Transaction } from '../../runtime/database.ts'

/** What the database says about the bound user, beside any tenant. */
export type Standing = { readonly totpEnrolled: boolean }

const StandingRow = z.object({ totp_enrolled: z.boolean() })

export async function standing(sql: Transaction): Promise<Standing> {
  const [row] = await sql`select flarewatch.totp_enrolled() as totp_enrolled`
  return { totpEnrolled: StandingRow.parse(row).totp_enrolled }
}

/** The named tenant if the user is a member of it, else the oldest membership; null when there is none. */
export async function oldestMembership(
  sql: Transaction,
  userId: UserId,
  named: TenantId | null,
): Promise<TenantId | null> {
  const [row] = await sql`
    select tenant_id from flarewatch.members
    where user_id = ${userId} and (${named}::uuid is null or tenant_id = ${named}::uuid)
    order by created_at, tenant_id limit 1`
  return row === undefined ? null : TenantIdSchema.parse(row.tenant_id)
}
