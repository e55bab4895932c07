import { z } from 'zod'
import type { SessionsResponse } from '../../../domain/contracts/api.ts'
import { SessionId } from '../../../domain/contracts/ids.ts'
import type { Transaction } from '../../runtime/database.ts'

const MAX_SESSIONS = 200
const Row = z.object({
  id: SessionId,
  begun_at: z.date(),
  used_at: z.date(),
  user_agent: z.string().nullable(),
  ip: z.string().nullable(),
  aal: z.enum(['aal1', 'aal2']),
})

/** The bound person's own, newest use first. */
export async function ownSessions(
  sql: Transaction,
  current: SessionId,
): Promise<z.input<typeof SessionsResponse>['sessions']> {
  const rows = await sql`
    select id, begun_at, used_at, user_agent, ip, aal from flarewatch.own_sessions()
    order by used_at desc, id limit ${MAX_SESSIONS}`
  return rows.map((row) => {
    const { id, begun_at, used_at, ...rest } = Row.parse(row)
    return {
      id,
      begun_at: begun_at.toISOString(),
      used_at: used_at.toISOString(),
      ...rest,
      current: id === current,
    }
  })
}
