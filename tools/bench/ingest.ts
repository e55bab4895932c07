import { foundAgency } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack } from '../../local/stands/polling-stand.ts'
import { inRounds, type Measure, measured } from './compare.ts'
import type { Bench } from './scale.ts'

const SIZES = { ci: { rounds: 1, credentials: 10 }, full: { rounds: 3, credentials: 60 } } as const
/** A thousand credentials due each minute. */
const POLLS_A_SECOND = 17
/** A poll is at most ten transactions. */
const POLLS_A_HUNDRED_TRANSACTIONS = 10
const LOOK_MS = 20

/** What a poll costs beside its provider: claim, queue, release with its rows, store and end, of accounts that have nothing to bring. */
export const benchIngest: Bench = async ({ scale, say }) => {
  const { rounds, credentials } = SIZES[scale]
  const stack = await startPollingStack(Date.now(), { clock: 'machine' })
  try {
    const key = stack.stripe.issueKey({ account: 0, scope: 'read', mode: 'live' })
    const { tenantId } = await foundAgency(stack, key, credentials)
    await stack.sql`delete from flarewatch.sites where tenant_id = ${tenantId}`
    await stack.sql`update flarewatch.credentials set provider = 'stripe' where tenant_id = ${tenantId}`
    const share: number[] = []
    const polls = async (): Promise<Measure> => {
      const before = await transactions(stack)
      const began = performance.now()
      const looks = await pollAll(stack)
      const ms = performance.now() - began
      const own = (await transactions(stack)) - before - looks
      share.push((credentials * 100) / own)
      return { times: credentials, ms, work: `${credentials} polls` }
    }
    const { ours } = await inRounds(rounds, { ours: polls }, say)
    return [
      measured('ingest: polls of accounts without news', 'polls/s', ours, POLLS_A_SECOND),
      measured('ingest: polls for a hundred transactions', 'polls', share.slice(1), POLLS_A_HUNDRED_TRANSACTIONS),
    ]
  } finally {
    await stack.stop()
  }
}

/** One tick of the scheduler, until the last job has ended. How often was looked. */
async function pollAll(stack: PollingStack): Promise<number> {
  const at = new Date()
  await stack.sql`update flarewatch.credentials set next_poll_at = ${at}`
  const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
  await scheduler.scheduled({ cron: '* * * * *', scheduledTime: at })
  for (let looks = 1; ; looks += 1) {
    const [row] = await stack.sql`select count(*)::int as leased from flarewatch.jobs where state = 'leased'`
    if (row?.leased === 0) return looks + 1
    await new Promise((passed) => setTimeout(passed, LOOK_MS))
  }
}

/** All that the database has seen the end of. */
async function transactions({ sql }: PollingStack): Promise<number> {
  await sql`select pg_stat_clear_snapshot()`
  const [row] = await sql`
    select (xact_commit + xact_rollback)::int as ended from pg_stat_database where datname = current_database()`
  return row?.ended ?? 0
}
