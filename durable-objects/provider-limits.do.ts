/**
 * ProviderLimits: how often a provider may still be called with one credential, whichever Worker calls.
 *
 * Key: the credential id.
 * Invariant: at most CAPACITY calls in any burst and CAPACITY in each WINDOW on average; nothing before `blocked_until`.
 * The bucket refills continuously, so a window's edge cannot double the rate.
 * Atomic because: read, refill and write run in one synchronous turn of the object.
 */
import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import type { ProviderLimitsApi } from '../domain/contracts/durable-objects.ts'

/** Cloudflare's GraphQL limit: 300 queries in 5 minutes for one user. */
const CAPACITY = 300
const WINDOW_MS = 300_000
const MS_PER_CALL = WINDOW_MS / CAPACITY
/** A provider that names a longer wait is believed up to here; beyond it, asking once more is right. */
const LONGEST_BLOCK_MS = 24 * 3_600_000

const Acquire = z.strictObject({ cost: z.int().min(1).max(CAPACITY), at: z.int().nonnegative() })
type Bucket = { calls: number; at: number; blocked_until: number }

export class ProviderLimits extends DurableObject<unknown> implements ProviderLimitsApi {
  readonly #sql: SqlStorage

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#sql = context.storage.sql
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS bucket (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      calls REAL NOT NULL,
      at INTEGER NOT NULL,
      blocked_until INTEGER NOT NULL
    )`)
  }

  async acquire(
    request: Parameters<ProviderLimitsApi['acquire']>[0],
  ): Promise<{ ok: true } | { ok: false; waitMs: number }> {
    const { cost, at } = Acquire.parse(request)
    const bucket = this.#refilled(at)
    if (bucket.blocked_until > at && bucket.blocked_until - at <= LONGEST_BLOCK_MS) {
      return { ok: false, waitMs: bucket.blocked_until - at }
    }
    if (bucket.calls < cost) return { ok: false, waitMs: Math.ceil((cost - bucket.calls) * MS_PER_CALL) }
    this.#write({ ...bucket, calls: bucket.calls - cost })
    return { ok: true }
  }

  async blockUntil(until: number): Promise<void> {
    const parsed = z.int().nonnegative().parse(until)
    const bucket = this.#read()
    const kept = bucket ?? { calls: CAPACITY, at: 0, blocked_until: 0 }
    this.#write({ ...kept, blocked_until: Math.max(kept.blocked_until, parsed) })
  }

  #read(): Bucket | undefined {
    return this.#sql.exec<Bucket>('SELECT calls, at, blocked_until FROM bucket').toArray()[0]
  }

  #refilled(at: number): Bucket {
    const bucket = this.#read()
    if (bucket === undefined) return { calls: CAPACITY, at, blocked_until: 0 }
    const passed = Math.max(0, at - bucket.at)
    return {
      calls: Math.min(CAPACITY, bucket.calls + passed / MS_PER_CALL),
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
