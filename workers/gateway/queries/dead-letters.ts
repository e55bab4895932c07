import { z } from 'zod'
import { DeadLetterLine } from '../../../domain/contracts/api.ts'
import type { JobId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'
import { instant } from './instant.ts'

const MAX_DEAD_LETTERS = 100
const Row = DeadLetterLine.extend({
  created_at: instant,
  died_at: instant,
  replay: DeadLetterLine.shape.replay.unwrap().extend({ at: instant }).nullable(),
})
type Line = z.output<typeof Row>
export type DeadLetters = { readonly dead_letters: Line[]; readonly more: boolean }

export async function listDeadLetters({ sql }: Tenancy): Promise<DeadLetters> {
  const rows = await sql`select * from flarewatch.dead_letters(null, ${MAX_DEAD_LETTERS + 1})`
  const lines = z.array(Row).parse(rows.slice(0, MAX_DEAD_LETTERS).map(withReplay))
  return { dead_letters: lines, more: rows.length > MAX_DEAD_LETTERS }
}

/** Undefined for a job that is not the tenant's, or is not dead. */
export async function findDeadLetter({ sql }: Tenancy, id: JobId): Promise<Line | undefined> {
  const [row] = await sql`select * from flarewatch.dead_letters(${id}, 1)`
  return row === undefined ? undefined : Row.parse(withReplay(row))
}

function withReplay({
  replayed_at,
  replayed_by,
  replayed_as,
  replay_state,
  replay_reason,
  ...line
}: Record<string, unknown>) {
  const state = replay_state ?? 'gone'
  const replay = { at: replayed_at, by: replayed_by, job_id: replayed_as, state, reason: replay_reason }
  return { ...line, replay: replayed_at === null ? null : replay }
}
