import type { z } from 'zod'
import type { MembersResponse } from '../../../domain/contracts/api.ts'
import type { Tenancy } from '../with-tenant.ts'

type Answer = z.input<typeof MembersResponse>
type Timed<Line, Times extends keyof Line> = Omit<Line, Times> & { readonly [Time in Times]: Date }
const MAX_PEOPLE = 1000

export async function listPeople({ sql }: Tenancy): Promise<Answer['members']> {
  const rows = await sql<Timed<Answer['members'][number], 'created_at'>[]>`
    select user_id, email, role, totp_enrolled, created_at from flarewatch.people() limit ${MAX_PEOPLE}`
  return rows.map((row) => ({ ...row, created_at: row.created_at.toISOString() }))
}

/** Those that can still be accepted. For whom may not invite, row-level security leaves none. */
export async function pendingInvitations({ sql, tenantId }: Tenancy, at: Date): Promise<Answer['invitations']> {
  const rows = await sql<Timed<Answer['invitations'][number], 'created_at' | 'expires_at'>[]>`
    select id, email, role, created_at, expires_at from flarewatch.invitations
    where tenant_id = ${tenantId} and accepted_at is null and expires_at > ${at}
    order by created_at, id`
  return rows.map((row) => ({
    ...row,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
  }))
}

/** For whom may not reset, the function answers none. */
export async function openResets({ sql }: Tenancy, at: Date): Promise<Answer['resets']> {
  const rows = await sql<Timed<Answer['resets'][number], 'requested_at' | 'due_at' | 'expires_at'>[]>`
    select user_id, requested_at, due_at, expires_at from flarewatch.open_resets(${at}) limit ${MAX_PEOPLE}`
  return rows.map(({ user_id, requested_at, due_at, expires_at }) => ({
    user_id,
    requested_at: requested_at.toISOString(),
    due_at: due_at.toISOString(),
    expires_at: expires_at.toISOString(),
  }))
}
