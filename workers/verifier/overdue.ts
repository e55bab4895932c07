import { z } from 'zod'
import type { LedgerHead } from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import { newestReceipt } from './receipt-store.ts'
import type { KnownTenant } from './tenants.ts'
import { loadState } from './verification-state.ts'

const MINUTE_MS = 60_000
/** A night is due each day; two hours are for walking. */
const NIGHT_LATE_MS = 26 * 60 * MINUTE_MS
/** Five runs of the cron for heads that moved, and one more. */
const RECEIPT_LATE_MS = 30 * MINUTE_MS

/**
 * What ought to have happened with a log and did not, as the run every few minutes sees it after its own attempt: the night is
 * another run's work, and a receipt that does not follow has been missed by several.
 */
export async function overdueOf(
  tools: Instruments,
  tenant: KnownTenant,
  { unmoved, lastReleaseAt }: { readonly unmoved: boolean; readonly lastReleaseAt: number | null },
): Promise<Finding[]> {
  const { tenantId, enteredAt } = tenant
  const now = tools.at.getTime()
  const night = await missedNight(tools, tenantId, enteredAt ?? now)
  const head = unmoved && lastReleaseAt === null ? null : await tools.ledgerOf(tenantId).head()
  const still = head !== null && lastReleaseAt !== null ? unmovedHead(head, lastReleaseAt) : null
  const stalled = unmoved || head === null ? null : await stalledReceipt(tools, tenantId, head)
  return [night, still, stalled].filter((finding) => finding !== null)
}

/** Judged by the verifier's own state, which Postgres cannot change. A tenant counts from its entry into the roster. */
async function missedNight(
  { bucket, signer, at }: Instruments,
  log: TenantId,
  enteredAt: number,
): Promise<Finding | null> {
  const { state } = await loadState(bucket, log, signer)
  const last = state === 'forged' ? null : state.last
  const since = last?.finishedAt ?? enteredAt
  if (at.getTime() - since <= NIGHT_LATE_MS) return null
  const detail = last === null ? { entered: iso(enteredAt) } : { last_night: iso(last.finishedAt) }
  return { kind: 'night_missed', seq: null, detail }
}

/** A key was used, and the row that must come before every use is not there. */
function unmovedHead(head: LedgerHead, lastReleaseAt: number): Finding | null {
  if (lastReleaseAt - head.at <= RECEIPT_LATE_MS) return null
  return { kind: 'receipts_stalled', seq: head.seq, detail: { cause: 'head_unmoved' } }
}

async function stalledReceipt(
  { bucket, signer, ledgerOf, at }: Instruments,
  log: TenantId,
  head: LedgerHead,
): Promise<Finding | null> {
  const newest = await newestReceipt(bucket, log, signer)
  if (newest === 'unreadable') return null
  const signed = newest === 'none' ? 0 : newest.receipt.size
  if (head.seq <= signed) return null
  const [oldest] = await ledgerOf(log).rowsFrom(signed + 1, 1)
  if (oldest !== undefined && at.getTime() - oldest.at <= RECEIPT_LATE_MS) return null
  const cause = head.flushedSeq > signed ? 'rows_unsigned' : 'rows_unflushed'
  return { kind: 'receipts_stalled', seq: signed + 1, detail: { cause } }
}

const LastUse = z.object({ tenant_id: TenantId, at: z.date() })

/** When each tenant's keys were last used, as the connector says: by another way than the chain. */
export async function lastReleases(sql: Sql): Promise<Map<TenantId, number>> {
  const rows = await sql`
    select tenant_id, max(last_used_at) as at from flarewatch.credentials where last_used_at is not null group by tenant_id`
  return new Map(
    z
      .array(LastUse)
      .parse(rows)
      .map(({ tenant_id, at }) => [tenant_id, at.getTime()]),
  )
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
