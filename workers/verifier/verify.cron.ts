import type { Sql } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { type PruningSummary, pruneHours } from './facts-retention.ts'
import { checkGuards } from './guards.ts'
import { raiseIncident } from './incidents.ts'
import type { Instruments } from './instruments.ts'
import { type RetentionSummary, retain } from './retention.ts'
import { type Summary, verifyAll } from './verify.ts'

const NIGHTLY = '15 2 * * *'
/** Its own invocation, with CPU time of its own. */
const RETENTION = '45 3 * * *'
/** Rows and facts of a month without a partition are refused, so two months ahead always exist. */
const MONTHS_AHEAD = 2

/**
 * Every few minutes the chains whose head moved; each night all of them, and the partitions of the months to come; then the hours
 * and the epochs that are past their retention.
 */
export async function runCron(tools: Instruments, cron: string): Promise<void> {
  if (cron === RETENTION) return await runRetention(tools)
  const nightly = cron === NIGHTLY
  if (nightly) await openMonths(tools.sql, tools.at)
  const summary = await verifyAll(tools, nightly ? 'all' : 'moved')
  await checkGuards(tools.sql, tools.bucket, (finding) => raiseIncident(tools.sql, null, finding, tools.at))
  report(summary)
}

/** One that is held keeps the other from nothing. */
async function runRetention(tools: Instruments): Promise<void> {
  const hours = await pruneHours(tools.sql, tools.at)
  logPruning(hours)
  reportRetention(await retain(tools))
  if (hours.held > 0) throw new Error(`${hours.held} hours are held: no day is made of them`)
}

async function openMonths(sql: Sql, at: Date): Promise<void> {
  for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead += 1) {
    const month = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + ahead, 1))
    await sql`select flarewatch.open_month(${month.toISOString().slice(0, 10)}::date)`
  }
}

/** A run that could not look at every chain ends as failed, so that the platform's own alarm sees it too. */
function report({ tenants, sound, signed, unmoved, findings, failed, queued }: Summary): void {
  const ok = findings.length === 0 && failed.length === 0
  const outcome = `${sound} sound, ${signed} signed, ${unmoved} unmoved, ${queued} queued`
  log('verifier', ok ? 'info' : 'error', `run: ${outcome}, ${findings.length} findings, ${failed.length} failed`, {
    ok,
    count: tenants,
  })
  if (failed.length > 0) throw new Error(`${failed.length} chains could not be verified`)
}

function logPruning({ months, rows, held, ended }: PruningSummary): void {
  const ok = held === 0
  log('verifier', ok ? 'info' : 'error', `hours: ${months} months dropped, ${held} rows held, ${ended}`, {
    ok,
    count: rows,
  })
}

/** A run that left an epoch standing which is due ends as failed, too. */
function reportRetention({ certified, dropped, held }: RetentionSummary): void {
  const ok = held.length === 0
  log('verifier', ok ? 'info' : 'error', `retention: ${dropped.length} epochs dropped, ${held.length} held`, {
    ok,
    count: certified,
  })
  if (!ok) throw new Error(`${held.length} certificates or epochs are held`)
}
