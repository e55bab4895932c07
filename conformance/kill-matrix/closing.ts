import type postgres from 'postgres'
import type { RunFile } from '../run-file.ts'
import { fireCron, setClockOffset, until } from '../stack.ts'
import { compareFacts } from './facts.ts'
import { stuckJobs } from './invariants.ts'
import { enrolOwner } from './owner.ts'
import { VERIFY_CRON } from './phases.ts'
import type { StackUnderTest } from './stack-under-test.ts'

/** What is counted when all rounds are over. */
export type Closing = {
  readonly tenants: number
  readonly audit_rows: number
  readonly jobs: Record<string, number>
  readonly incidents: Record<string, number>
  readonly facts_compared: number
  readonly receipts: number
}

const MINUTE_MS = 60_000
const SETTLE_DEADLINE_MS = 240_000
const VERIFY_TRIES = 3

/**
 * After the last round nobody is killed any more: a new tenant joins, the clock goes past every lease, and one tick of the
 * scheduler must bring every credential up to date. Then facts, jobs, chains and receipts are held against each other.
 */
export async function closeBooks(
  stack: StackUnderTest,
  sql: postgres.Sql,
  judge: () => Promise<string[]>,
): Promise<Closing & { readonly findings: string[] }> {
  const run = await stack.running()
  const undisturbed = await enrolOwner(stack)
  await undisturbed.createTenant()
  await undisturbed.storeCredential()
  const since = await leapPastEveryLease(run, sql)
  await fireCron(run, 'scheduler', '* * * * *')
  let stuck: string[] = []
  const settled = async () => {
    stuck = await stuckJobs(sql, since)
    return stuck.length === 0
  }
  await until(settled, 'all is polled', SETTLE_DEADLINE_MS).catch(() => {})
  await until(() => historiesRead(run, sql), 'every history is read', SETTLE_DEADLINE_MS).catch(() => {})

  const facts = await compareFacts(sql, undisturbed.tenantId)
  const unsigned = await unsignedChains(run, sql)
  const findings = [...stuck, ...facts.findings, ...unsigned, ...(await judge())]
  return { ...(await figures(sql)), facts_compared: facts.compared, findings }
}

/** Moves the clock on to where no job's lease holds any more and every credential is due; returns a time just before. */
async function leapPastEveryLease(run: RunFile, sql: postgres.Sql): Promise<Date> {
  const [row] = await sql<{ ms: number }[]>`
    select 1000 * extract(epoch from greatest(
      now(),
      (select max(next_poll_at) from flarewatch.credentials),
      (select max(next_at) from flarewatch.backfills where state = 'open'),
      (select max(lease_until) from flarewatch.jobs where state = 'leased')) - now())::int as ms`
  const leap = (row?.ms ?? 0) + MINUTE_MS
  await setClockOffset(run, leap)
  return new Date(Date.now() + leap - MINUTE_MS / 2)
}

/** A history goes on at the next tick; one that is left open shows in how far its facts reach. */
async function historiesRead(run: RunFile, sql: postgres.Sql): Promise<boolean> {
  await fireCron(run, 'scheduler', '* * * * *')
  const open = await sql`select from flarewatch.backfills where state = 'open'`
  return open.length === 0
}

/** The verifier looks at every chain and signs each at its full size; one that is polled meanwhile is looked at again. */
async function unsignedChains(
  run: Awaited<ReturnType<StackUnderTest['running']>>,
  sql: postgres.Sql,
): Promise<string[]> {
  let unsigned: string[] = []
  for (let attempt = 1; attempt <= VERIFY_TRIES; attempt += 1) {
    try {
      await fireCron(run, 'verifier', VERIFY_CRON)
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)]
    }
    const rows = await sql<{ tenant_id: string; seq: number }[]>`
      select tenant_id, seq::int as seq from flarewatch.audit_heads head where not exists (
        select from flarewatch.receipts receipt
        where receipt.log = head.tenant_id and receipt.size = head.seq and receipt.chain_head = head.hash)`
    unsigned = rows.map(({ tenant_id, seq }) => `the verifier signed no receipt over the ${seq} rows of ${tenant_id}`)
    if (unsigned.length === 0) return unservedReceipts(run.gateway_url, sql)
  }
  return unsigned
}

/** The newest receipt of each log, as an outsider fetches it, says the size that Postgres has (C2SP checkpoint, line 2). */
async function unservedReceipts(gatewayUrl: string, sql: postgres.Sql): Promise<string[]> {
  const newest = await sql<{ log: string; size: number }[]>`
    select log, max(size)::int as size from flarewatch.receipts group by log`
  const findings: string[] = []
  for (const { log, size } of newest) {
    const response = await fetch(`${gatewayUrl}/receipts/${log}`)
    const served = Number((await response.text()).split('\n')[1])
    if (served !== size) findings.push(`the newest receipt served for ${log} is of ${served} rows and not of ${size}`)
  }
  return findings
}

async function figures(sql: postgres.Sql): Promise<Omit<Closing, 'facts_compared'>> {
  const [counts] = await sql<Omit<Closing, 'facts_compared'>[]>`
    select (select count(*)::int from flarewatch.tenants) as tenants,
      (select count(*)::int from flarewatch.audit_log) as audit_rows,
      (select count(*)::int from flarewatch.receipts) as receipts,
      (select coalesce(jsonb_object_agg(state, count), '{}') from (
        select state, count(*) from flarewatch.jobs group by state) jobs) as jobs,
      (select coalesce(jsonb_object_agg(kind, count), '{}') from (
        select kind, count(*) from flarewatch.incidents group by kind) incidents) as incidents`
  if (counts === undefined) throw new Error('the figures are missing')
  return { ...counts }
}
