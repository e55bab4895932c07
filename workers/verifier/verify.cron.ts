import { ROSTER_NAME } from '../../domain/contracts/durable-objects.ts'
import { parseBindings } from '../runtime/bindings.ts'
import { type Sql, withDatabase } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { Bindings } from './bindings.ts'
import { parseReceiptSigner } from './receipt.ts'
import { retain } from './retention.ts'
import { type Summary, verifyAll } from './verify.ts'
import type { Scope } from './verify-tenant.ts'

const NIGHTLY = '15 2 * * *'
/** After the night's run, and with CPU time of its own. */
const RETENTION = '45 3 * * *'
/** Rows and facts of a month without a partition are refused, so two months ahead always exist. */
const MONTHS_AHEAD = 2

export default {
  async fetch(): Promise<Response> {
    return new Response(null, { status: 404 })
  },

  /**
   * Every few minutes the chains whose head moved; each night all of them, and the partitions of the months to come; then the
   * epochs that are past their retention.
   */
  async scheduled(controller: ScheduledController, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('verifier', Bindings, env)
    const at = new Date(controller.scheduledTime)
    if (controller.cron === RETENTION) return runRetention(bindings, at, context)
    const nightly = controller.cron === NIGHTLY
    const summary = await withDatabase(bindings.DB, context, async (sql) => {
      if (nightly) await openMonths(sql, at)
      return run(bindings, sql, at, nightly ? 'all' : 'moved')
    })
    report(summary)
  },
}

async function runRetention(bindings: Bindings, at: Date, context: ExecutionContext): Promise<void> {
  const { DB, RECEIPTS, RECEIPT_SIGNING_KEY, LOG_NAME } = bindings
  const signer = await parseReceiptSigner(RECEIPT_SIGNING_KEY, LOG_NAME)
  const summary = await withDatabase(DB, context, (sql) => retain({ sql, bucket: RECEIPTS, signer, at }))
  const { certified, dropped, held } = summary
  const ok = held.length === 0
  log('verifier', ok ? 'info' : 'error', `retention: ${dropped.length} epochs dropped, ${held.length} held`, {
    ok,
    count: certified,
  })
  if (!ok) throw new Error(`${held.length} certificates or epochs are held`)
}

async function run(bindings: Bindings, sql: Sql, at: Date, scope: Scope): Promise<Summary> {
  const { AUDIT_LEDGER, TENANT_ROSTER, RECEIPTS, RECEIPT_SIGNING_KEY, LOG_NAME } = bindings
  const tools = {
    sql,
    bucket: RECEIPTS,
    ledgerOf: (tenantId: string) => AUDIT_LEDGER.get(AUDIT_LEDGER.idFromName(tenantId)),
    signer: await parseReceiptSigner(RECEIPT_SIGNING_KEY, LOG_NAME),
    at,
  }
  return verifyAll(tools, TENANT_ROSTER.get(TENANT_ROSTER.idFromName(ROSTER_NAME)), scope)
}

async function openMonths(sql: Sql, at: Date): Promise<void> {
  for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead += 1) {
    const month = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + ahead, 1))
    await sql`select flarewatch.open_month(${month.toISOString().slice(0, 10)}::date)`
  }
}

/** A run that could not look at every chain ends as failed, so that the platform's own alarm sees it too. */
function report({ tenants, sound, signed, unmoved, findings, failed }: Summary): void {
  const ok = findings.length === 0 && failed.length === 0
  const outcome = `${sound} sound, ${signed} signed, ${unmoved} unmoved, ${findings.length} findings, ${failed.length} failed`
  log('verifier', ok ? 'info' : 'error', `run: ${outcome}`, { ok, count: tenants })
  if (failed.length > 0) throw new Error(`${failed.length} chains could not be verified`)
}
