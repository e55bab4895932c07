import { z } from 'zod'
import type { RosterEntry, TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { RECEIPTS } from '../../domain/contracts/receipt-store.ts'
import type { Sql } from '../runtime/database.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'

/** A birth takes seconds; a tenant that stays pending for longer was interrupted between its first row and its key. */
const BIRTH_MS = 10 * 60 * 1000

/** What is missing is missing from the first row on. */
const FIRST = 1

export type KnownTenant = {
  readonly tenantId: TenantId
  /** The hash of row 1 as the roster recorded it; null for a tenant that the roster does not name. */
  readonly firstHash: Uint8Array | null
  /** When the roster took it up, in Unix milliseconds. */
  readonly enteredAt: number | null
}
export type Census = {
  readonly tenants: readonly KnownTenant[]
  readonly findings: readonly { readonly tenantId: TenantId; readonly finding: Finding }[]
}

const StoredTenant = z.object({ id: TenantId, state: z.enum(['pending', 'active']) })
type StoredTenant = z.output<typeof StoredTenant>

/**
 * Every tenant that either side names, and who is missing on one. A birth stores the tenant, then enters the roster, then
 * activates: so Postgres is read on both sides of the roster, and a birth that happens meanwhile looks like neither fault. Whoever
 * ever got a receipt is known to the bucket too, where neither side's owner can make a log unheard of.
 */
export async function takeCensus({ sql, roster, bucket, at }: Instruments): Promise<Census> {
  const now = at.getTime()
  const before = await storedTenants(sql)
  const entries = await rosterEntries(roster)
  const after = new Map((await storedTenants(sql)).map((tenant) => [tenant.id, tenant]))
  const rostered = new Map(entries.map((entry) => [entry.tenantId, entry]))

  const forgotten = (await receiptedLogs(bucket)).filter((log) => !after.has(log) && !rostered.has(log))
  const unrostered = before.filter(({ id, state }) => state === 'active' && !rostered.has(id))
  return {
    tenants: [
      ...entries
        .filter(({ tenantId }) => after.has(tenantId))
        .map(({ tenantId, firstHash, at }) => ({ tenantId, firstHash, enteredAt: at })),
      ...unrostered.map(({ id }) => ({ tenantId: id, firstHash: null, enteredAt: null })),
    ],
    findings: [
      ...forgotten.map((tenantId) => ({
        tenantId,
        finding: { kind: 'tenant_missing', seq: FIRST, detail: { known_to: 'bucket' } } as const,
      })),
      ...entries.flatMap((entry) => findingsOf(entry, after.get(entry.tenantId), now)),
      ...unrostered.map(({ id }) => ({
        tenantId: id,
        finding: { kind: 'tenant_unrostered', seq: FIRST, detail: {} } as const,
      })),
    ],
  }
}

function findingsOf(entry: RosterEntry, stored: StoredTenant | undefined, now: number): Census['findings'] {
  const { tenantId, at } = entry
  if (stored === undefined) return [{ tenantId, finding: { kind: 'tenant_missing', seq: FIRST, detail: {} } }]
  if (stored.state === 'active' || now - at <= BIRTH_MS) return []
  return [{ tenantId, finding: { kind: 'birth_unfinished', seq: null, detail: {} } }]
}

async function receiptedLogs(bucket: R2Bucket): Promise<TenantId[]> {
  const logs: TenantId[] = []
  for (let cursor: string | undefined; ; ) {
    const page: R2Objects = await bucket.list({
      prefix: RECEIPTS,
      delimiter: '/',
      ...(cursor === undefined ? {} : { cursor }),
    })
    const names = page.delimitedPrefixes.map((prefix) => prefix.slice(RECEIPTS.length, -1))
    logs.push(...names.flatMap((name) => TenantId.safeParse(name).data ?? []))
    if (!page.truncated) return logs
    cursor = page.cursor
  }
}

async function storedTenants(sql: Sql): Promise<StoredTenant[]> {
  return z.array(StoredTenant).parse(await sql`select id, state from flarewatch.tenants`)
}

async function rosterEntries(roster: TenantRosterApi): Promise<RosterEntry[]> {
  const entries: RosterEntry[] = []
  for (let cursor: number | null = null; ; ) {
    const page: Awaited<ReturnType<TenantRosterApi['list']>> = await roster.list(cursor)
    entries.push(...page.entries)
    if (page.next === null) return entries
    cursor = page.next
  }
}
