import { sha256 } from '@noble/hashes/sha2.js'
import { concat, toBase64 } from '../../domain/bytes.ts'
import type { Shredding } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { KeyInventory } from '../../domain/contracts/shredding.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { type AppendRefusal, deletionRowId, sealEvent } from './audit-append.ts'
import { forgetAuditKeys } from './audit-keys.ts'
import { reach } from './call.ts'
import { askLedger, askRoster } from './ledger.ts'
import type { Visit } from './visit.ts'

/**
 * A tenant's deletion, step by step. Each step is found done by a call that comes later, so that the same command completes what a
 * crash left: members out (Postgres), last row and shares (ledger, one step), mark (roster), rows (Postgres, in batches).
 */
const BATCH_ROWS = 2000
/** A call ends after this many, and the caller asks again: an invocation's time is bounded, a tenant's figures are not. */
const BATCHES_A_CALL = 10

export type DeletionRefusal = AppendRefusal | 'tenant_unknown' | 'name_mismatch'

/** Whether the tenant is deleted already. Refuses whoever does not know its name. */
export async function beginDeletion(
  { sql, at }: Visit,
  tenantId: TenantId,
  name: string,
): Promise<Result<'deleting' | 'deleted', DeletionRefusal>> {
  const begin = async () => {
    const [row] = await sql<{ state: string | null }[]>`
      select flarewatch.begin_tenant_deletion(${tenantId}, ${name}, ${new Date(at)}) as state`
    return row?.state ?? null
  }
  const state = await reach('store_unreachable', begin, { tenant_id: tenantId })
  if (!state.ok) return state
  switch (state.value) {
    case 'deleting':
    case 'deleted':
      return success(state.value)
    case 'name_mismatch':
      return failure('name_mismatch')
    default:
      return failure('tenant_unknown')
  }
}

/** The last row, sealed while there is still a key to seal with, and the end of both shares. */
export async function shredKeys(visit: Visit, tenantId: TenantId): Promise<Result<Shredding, DeletionRefusal>> {
  const known = await askLedger(visit.bindings, tenantId, (ledger) => ledger.shredding())
  if (!known.ok) return known
  if (known.value !== null) return success(known.value)
  const shredded = await shredNow(visit, tenantId)
  if (shredded.ok || !OVERTAKEN.has(shredded.code)) return shredded
  // Of two calls at once the later finds no key to seal with any more, since the earlier has done all of it.
  const since = await askLedger(visit.bindings, tenantId, (ledger) => ledger.shredding())
  return since.ok && since.value !== null ? success(since.value) : shredded
}

const OVERTAKEN: ReadonlySet<string> = new Set(['tenant_shredded', 'audit_key_missing', 'not_openable', 'row_conflict'])

async function shredNow(visit: Visit, tenantId: TenantId): Promise<Result<Shredding, DeletionRefusal>> {
  const inventory = await reach('store_unreachable', () => takeInventory(visit, tenantId), { tenant_id: tenantId })
  if (!inventory.ok) return inventory
  const { deks, audit_keys, credentials } = inventory.value
  const detail = { deks: listed(deks), audit_keys: listed(audit_keys), credentials: String(credentials.count) }
  const event = { tenantId, actor: 'operator', action: 'tenant.delete', target: `tenant:${tenantId}`, detail } as const
  const row = await sealEvent(visit, event, deletionRowId(tenantId))
  if (!row.ok) return row
  const request = { row: row.value, at: visit.at, inventory: inventory.value }
  const shredded = await askLedger(visit.bindings, tenantId, (ledger) => ledger.shred(request))
  if (!shredded.ok) return shredded
  if (!shredded.value.ok) return failure(shredded.value.code)
  forgetAuditKeys(tenantId)
  return success(shredded.value)
}

/** A tenant that was never activated is not on the roster yet: its first row may even be its last. */
export async function markDeleted(
  visit: Visit,
  tenantId: TenantId,
  { at }: Shredding,
): Promise<Result<null, 'ledger_unreachable' | 'roster_conflict'>> {
  const first = await askLedger(visit.bindings, tenantId, (ledger) => ledger.rowsFrom(1, 1))
  if (!first.ok) return first
  const [row] = first.value
  if (row === undefined) return failure('roster_conflict')
  const entered = await askRoster(visit.bindings, (roster) => roster.enter(tenantId, row.hash, row.at))
  if (!entered.ok) return entered
  if (!entered.value.ok) return failure('roster_conflict')
  const marked = await askRoster(visit.bindings, (roster) => roster.markDeleted(tenantId, at))
  return marked.ok ? success(null) : marked
}

/** How many rows went, and whether any are left. */
export async function eraseRows(
  { sql, at }: Visit,
  tenantId: TenantId,
): Promise<Result<{ readonly erased: number; readonly done: boolean }, 'store_unreachable'>> {
  const erase = async () => {
    let erased = 0
    for (let batch = 0; batch < BATCHES_A_CALL; batch += 1) {
      const [row] = await sql<{ gone: number }[]>`
        select flarewatch.erase_tenant(${tenantId}, ${BATCH_ROWS}, ${new Date(at)}) as gone`
      if (row === undefined || row.gone === 0) return { erased, done: true }
      erased += row.gone
    }
    return { erased, done: false }
  }
  return reach('store_unreachable', erase, { tenant_id: tenantId })
}

/** The verifier's signed word; null until it has looked. */
export function readCertificate(
  { sql }: Visit,
  tenantId: TenantId,
): Promise<Result<string | null, 'store_unreachable'>> {
  const read = async () => {
    const [row] = await sql<{ note: string }[]>`select note from flarewatch.shreddings where log = ${tenantId}`
    return row?.note ?? null
  }
  return reach('store_unreachable', read, { tenant_id: tenantId })
}

type Wrap = { readonly version: number; readonly kek_version: number; readonly wrapped: Uint8Array }

async function takeInventory({ sql }: Visit, tenantId: TenantId): Promise<KeyInventory> {
  const deks = await sql<Wrap[]>`
    select version, kek_version, wrapped_dek as wrapped from flarewatch.tenant_keys where tenant_id = ${tenantId} order by version`
  const auditKeys = await sql<Wrap[]>`
    select version, kek_version, wrapped_key as wrapped from flarewatch.audit_keys where tenant_id = ${tenantId} order by version`
  const records = await sql<{ wrapped: Uint8Array }[]>`
    select wrapped_dek as wrapped from flarewatch.credentials where tenant_id = ${tenantId} order by id`
  const digests = records.map(({ wrapped }) => sha256(wrapped))
  return {
    deks: deks.map(named),
    audit_keys: auditKeys.map(named),
    credentials: { count: records.length, wraps: toBase64(sha256(concat(...digests))) },
  }
}

function named({ version, kek_version, wrapped }: Wrap): KeyInventory['deks'][number] {
  return { version, kek_version, wrap: toBase64(sha256(wrapped)) }
}

function listed(wraps: KeyInventory['deks']): string {
  return wraps.map(({ version, kek_version }) => `${version}/${kek_version}`).join(' ')
}
