import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import type { Stack } from '../stack.ts'

const POLL_CRON = '* * * * *'
/** End to end: a stack that was off for days has no night behind it. */
const VERIFY_CRON = '15 2 * * *'
const DEADLINE_MS = 60_000
const LOOK_EVERY_MS = 100

/** One poll of every credential, and then a receipt over what that left in the audit log. */
export async function ingestOnce(stack: Stack): Promise<void> {
  const sql = postgres(stack.run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    await stack.workers.fire('scheduler', POLL_CRON, await nextDue(sql, stack.clock.now()))
    await until(() => settled(sql), 'the poll did not finish')
    await until(() => recorded(sql), 'the audit rows of the poll did not arrive in Postgres')
    await stack.workers.fire('verifier', VERIFY_CRON, new Date(stack.clock.now()))
  } finally {
    await sql.end()
  }
}

/**
 * A credential that was polled minutes ago is not due, and a job that a killed stack left is leased still: the decision
 * time is then the moment at which all of them can be claimed.
 */
async function nextDue(sql: postgres.Sql, now: number): Promise<Date> {
  const [row] = await sql<{ due: Date | null }[]>`
    select greatest(
      (select max(next_poll_at) from flarewatch.credentials where state = 'active' and webhook_of is null),
      (select max(lease_until) + interval '1 second' from flarewatch.jobs where state = 'leased')
    ) as due`
  return new Date(Math.max(now, row?.due?.getTime() ?? now))
}

async function settled(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql<{ open: number; all: number }[]>`
    select count(*) filter (where state = 'leased')::int as open, count(*)::int as all from flarewatch.jobs`
  return row !== undefined && row.all > 0 && row.open === 0
}

/** Intent and outcome of the newest poll are both there: the outcome is written after the job is done. */
async function recorded(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql<{ missing: boolean }[]>`
    select exists (
      select from flarewatch.jobs j
      where j.intent_row is not null
        and not exists (
          select from flarewatch.audit_log intent
          join flarewatch.audit_heads head using (tenant_id)
          where intent.tenant_id = j.tenant_id and intent.row_id = j.intent_row and head.seq > intent.seq
        )
    ) as missing`
  return row !== undefined && !row.missing
}

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await holds())) {
    if (Date.now() > deadline)
      throw new Error(`${otherwise} within ${DEADLINE_MS / 1000} s; see the logs in the data directory`)
    await wait(LOOK_EVERY_MS)
  }
}
