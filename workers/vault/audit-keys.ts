import { zeroize } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { unwrapKey } from '../../domain/envelope/wrap.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { reach } from './call.ts'
import { currentKeks, type KekRefusal, type OpeningRefusal } from './keks.ts'
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

/** Forgets what is held of a tenant, so that the next use shows that the ledger's share still opens its wraps. */
export function forgetAuditKeys(tenantId: TenantId): void {
  for (const key of held.get(tenantId)?.keys.values() ?? []) zeroize(key)
  held.delete(tenantId)
}

async function auditKeys(visit: Visit, tenantId: TenantId): Promise<Result<AuditKeys, AuditKeyRefusal>> {
  dropExpired(visit.at)
  const known = held.get(tenantId)
  if (known !== undefined) return success(copyOf(known.keys))
  const loaded = await load(visit, tenantId)
  if (!loaded.ok) return loaded
  if (loaded.value.size === 0) return failure('audit_key_missing')
  if (held.size < MAX_HELD_TENANTS) held.set(tenantId, { keys: loaded.value, since: visit.at })
  return success(copyOf(loaded.value))
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
  const keys = new Map<number, Uint8Array>()
  try {
    if (!ring.ok) return ring
    for (const { version, kek_version, wrapped_key } of wraps.value) {
      const kek = ring.value.opening(kek_version, 'audit')
      if (!kek.ok) return kek
      const context = { purpose: 'audit-key', tenantId, keyVersion: version } as const
      const key = await unwrapKey({ kek: kek.value, share, context, wrapped: wrapped_key })
      if (!key.ok) return key
      keys.set(version, key.value)
    }
  } finally {
    zeroize(share)
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
    zeroize: () => {
      for (const key of copies.values()) zeroize(key)
    },
  }
}

/** A clock that was set back counts as expired: nothing is held longer than promised. */
function dropExpired(at: number): void {
  for (const [tenantId, { keys, since }] of held) {
    if (at >= since && at - since < HELD_MS) continue
    held.delete(tenantId)
    for (const key of keys.values()) zeroize(key)
  }
}
