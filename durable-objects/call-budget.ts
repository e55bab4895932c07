import { z } from 'zod'
import type { ProviderLimitsApi } from '../domain/contracts/durable-objects.ts'
import { Provider } from '../domain/contracts/providers.ts'
import type { Quota } from '../domain/providers/provider.ts'
import { PROVIDERS } from '../domain/providers/registry.ts'
import type { LedgerSql } from './ledger/platform.ts'

/** A provider that names a longer wait is believed up to here; beyond it, asking once more is right. */
const LONGEST_BLOCK_MS = 24 * 3_600_000

const Acquire = z
  .strictObject({
    provider: Provider,
    cost: z.int().min(1),
    reserved: z.int().nonnegative(),
    at: z.int().nonnegative(),
  })
  .refine(({ provider, cost, reserved }) => cost + reserved <= PROVIDERS[provider].quota.calls)
const Block = z.strictObject({ provider: Provider, until: z.int().nonnegative() })
type Bucket = { calls: number; at: number; blocked_until: number }

/** The bucket of `ProviderLimits`, on any SQLite that reads and writes in the same turn. */
export class CallBudget {
  readonly #sql: LedgerSql

  constructor(sql: LedgerSql) {
    this.#sql = sql
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS bucket (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      calls REAL NOT NULL,
      at INTEGER NOT NULL,
      blocked_until INTEGER NOT NULL
    )`)
  }

  acquire(request: Parameters<ProviderLimitsApi['acquire']>[0]): Awaited<ReturnType<ProviderLimitsApi['acquire']>> {
    const { provider, cost, reserved, at } = Acquire.parse(request)
    const { quota } = PROVIDERS[provider]
    const bucket = this.#refilled(quota, at)
    if (bucket.blocked_until > at && bucket.blocked_until - at <= LONGEST_BLOCK_MS) {
      return { ok: false, waitMs: bucket.blocked_until - at }
    }
    const missing = cost + reserved - bucket.calls
    if (missing > 0) return { ok: false, waitMs: Math.ceil(missing * msPerCall(quota)) }
    this.#write({ ...bucket, calls: bucket.calls - cost })
    return { ok: true }
  }

  blockUntil(request: Parameters<ProviderLimitsApi['blockUntil']>[0]): void {
    const { provider, until } = Block.parse(request)
    const kept = this.#read() ?? { calls: PROVIDERS[provider].quota.calls, at: 0, blocked_until: 0 }
    this.#write({ ...kept, blocked_until: Math.max(kept.blocked_until, until) })
  }

  #read(): Bucket | undefined {
    return this.#sql.exec<Bucket>('SELECT calls, at, blocked_until FROM bucket').toArray()[0]
  }

  #refilled(quota: Quota, at: number): Bucket {
    const bucket = this.#read()
    if (bucket === undefined) return { calls: quota.calls, at, blocked_until: 0 }
    const passed = Math.max(0, at - bucket.at)
    return {
      calls: Math.min(quota.calls, bucket.calls + passed / msPerCall(quota)),
      at: Math.max(at, bucket.at),
      blocked_until: bucket.blocked_until,
    }
  }

  #write(bucket: Bucket): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO bucket (one, calls, at, blocked_until) VALUES (1, ?, ?, ?)',
      bucket.calls,
      bucket.at,
      bucket.blocked_until,
    )
  }
}

function msPerCall({ calls, windowMs }: Quota): number {
  return windowMs / calls
}
