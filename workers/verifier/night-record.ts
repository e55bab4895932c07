import type { TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'
import type { VerificationState } from './verification-state.ts'

type Night = NonNullable<VerificationState['last']>

/** For people to read: what the verifier itself goes by is in its own state. */
export async function recordNight(sql: Sql, log: TenantId, night: Night): Promise<void> {
  const { dueAt, startedAt, finishedAt, size, sound } = night
  await sql`
    insert into flarewatch.verification_runs (log, due_at, started_at, finished_at, size, sound)
    values (${log}, ${new Date(dueAt)}, ${new Date(startedAt)}, ${new Date(finishedAt)}, ${size}, ${sound})
    on conflict do nothing`
}
