import { zeroize } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { unwrapKey } from '../../domain/envelope/wrap.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { reach } from './call.ts'
import { currentKeks, type KekRefusal, type KekRing, type OpeningRefusal } from './keks.ts'
import { askLedger } from './ledger.ts'
import type { Visit } from './visit.ts'

/** Copies of a tenant's audit keys for one use: the held ones may expire and be zeroed while that use waits. */
export type AuditKeys = {
  readonly newest: { readonly version: number; readonly key: Uint8Array }
  readonly all: readonly { readonly version: number; readonly key: Uint8Array }[]
  readonly ofVersion: (version: number) => Uint8Array | null
  readonly zeroize: () => void
}
export type AuditKeyRefusal =
  | KekRefusal
  | OpeningRefusal
  | 'ledger_behind'
  | 'ledger_lost'
  | 'tenant_mismatch'
  | 'tenant_shredded'
  | 'audit_key_missing'
  | 'not_openable'

/** How long an isolate may seal without asking again: what a freeze of the ledger's host cannot shorten (design, flow 3). */
const HELD_MS = 5 * 60_000
const MAX_HELD_TENANTS = 1_000

type Held = { readonly keys: ReadonlyMap<number, Uint8Array>; readonly since: number }
const held = new Map<TenantId, Held>()

/** Lends a tenant's audit keys, unwrapped under the share that the ledger gives for sealing alone; it opens no credential. */
export async function withAuditKeys<Value>(
  visit: Visit,
  tenantId: TenantId,
  use: (keys: AuditKeys) => Promise<Value>,
): Promise<Result<Value, AuditKeyRefusal>> {
  const keys = await auditKeys(visit, tenantId)
  if (!keys.ok) return keys
  try {
    return success(await use(keys.value))
  } finally {
    keys.value.zeroize()
  }
}

async function auditKeys(visit: Visit, tenantId: TenantId): Promise<Result<AuditKeys, AuditKeyRefusal>> {
  dropExpired(visit.at)
  const known = held.get(tenantId)
  if (known !== undefined) return success(copyOf(known.keys))
  const loaded = await load(visit, tenantId)
  if (!loaded.ok) return loaded
  if (loaded.value.size === 0) return failure('audit_key_missing')
  const copies = copyOf(loaded.value)
  // Two calls may have loaded at the same time: what is not held is not left lying about.
  if (held.size < MAX_HELD_TENANTS && !held.has(tenantId)) held.set(tenantId, { keys: loaded.value, since: visit.at })
  else zeroizeAll(loaded.value)
  return success(copies)
}

/** Drops what this isolate holds of a tenant, so that its next use asks the ledger again; others drop it within five minutes. */
export function forgetAuditKeys(tenantId: TenantId): void {
  const known = held.get(tenantId)
  held.delete(tenantId)
  if (known !== undefined) zeroizeAll(known.keys)
}

async function load(visit: Visit, tenantId: TenantId): Promise<Result<Map<number, Uint8Array>, AuditKeyRefusal>> {
  const wraps = await reach('store_unreachable', () => readWraps(visit, tenantId), { tenant_id: tenantId })
  if (!wraps.ok) return wraps
  const [ring, given] = await Promise.all([
    currentKeks(visit),
    askLedger(visit.bindings, tenantId, (ledger) => ledger.auditShare(tenantId)),
  ])
  if (!given.ok) return given
  if (!given.value.ok) return given.value
  const { share } = given.value
  try {
    if (!ring.ok) return ring
    return await unwrapAll(ring.value, share, tenantId, wraps.value)
  } finally {
    zeroize(share)
  }
}

async function unwrapAll(
  ring: KekRing,
  share: Uint8Array,
  tenantId: TenantId,
  wraps: readonly Wrap[],
): Promise<Result<Map<number, Uint8Array>, OpeningRefusal | 'not_openable'>> {
  const keys = new Map<number, Uint8Array>()
  for (const { version, kek_version, wrapped_key } of wraps) {
    const kek = ring.opening(kek_version, 'audit')
    const context = { purpose: 'audit-key', tenantId, keyVersion: version } as const
    const key = kek.ok ? await unwrapKey({ kek: kek.value, share, context, wrapped: wrapped_key }) : kek
    if (!key.ok) {
      zeroizeAll(keys)
      return key
    }
    keys.set(version, key.value)
  }
  return success(keys)
}

type Wrap = { version: number; kek_version: number; wrapped_key: Uint8Array }

async function readWraps({ sql }: Visit, tenantId: TenantId): Promise<Wrap[]> {
  return sql<Wrap[]>`select version, kek_version, wrapped_key from flarewatch.audit_keys where tenant_id = ${tenantId}`
}

function copyOf(keys: ReadonlyMap<number, Uint8Array>): AuditKeys {
  const copies = new Map([...keys].map(([version, key]) => [version, Uint8Array.from(key)]))
  const version = Math.max(...copies.keys())
  return {
    newest: { version, key: copies.get(version) ?? new Uint8Array() },
    all: [...copies].map(([version, key]) => ({ version, key })),
    ofVersion: (of) => copies.get(of) ?? null,
    zeroize: () => zeroizeAll(copies),
  }
}

/** A clock that was set back counts as expired: nothing is held longer than promised. */
function dropExpired(at: number): void {
  for (const [tenantId, { keys, since }] of held) {
    if (at >= since && at - since < HELD_MS) continue
    held.delete(tenantId)
    zeroizeAll(keys)
  }
}

function zeroizeAll(keys: ReadonlyMap<number, Uint8Array>): void {
  for (const key of keys.values()) zeroize(key)
}
