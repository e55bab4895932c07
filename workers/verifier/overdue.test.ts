import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TenantId } from '../../domain/contracts/ids.ts'
import {
  EVERY_FEW_MINUTES,
  LOG_NAME,
  NIGHTLY,
  startVerifierStand,
  type VerifierStand,
} from '../../local/stands/verifier-stand.ts'
import { connect, type Sql } from '../runtime/database.ts'
import { LIMITS } from './instruments.ts'
import { verifyAll } from './verify.ts'

const HOUR_MS = 3_600_000
const NOW = Date.now()

let stand: VerifierStand
let sql: Sql

beforeAll(async () => {
  stand = await startVerifierStand()
  sql = connect({ connectionString: stand.database.urlFor('flarewatch_verifier') } as Hyperdrive)
})

afterAll(async () => {
  await sql?.end()
  await stand?.stop()
})

describe('L4: a night that is missing', () => {
  it('is raised by the run every few minutes, once, and not before its time', async () => {
    const [fresh, forgotten] = [
      await stand.grownTenant(2, NOW - 25 * HOUR_MS),
      await stand.grownTenant(2, NOW - 27 * HOUR_MS),
    ]
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW))
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW + 60_000))
    expect(await stand.incidentsOf(forgotten.tenantId)).toEqual([{ kind: 'night_missed', seq: null }])
    expect(await stand.incidentsOf(fresh.tenantId)).toEqual([])

    await stand.fire(NIGHTLY, new Date(NOW))
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW + 25 * HOUR_MS))
    expect(await stand.incidentsOf(fresh.tenantId)).toEqual([])
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW + 27 * HOUR_MS))
    expect(await stand.incidentsOf(fresh.tenantId)).toEqual([{ kind: 'night_missed', seq: null }])
  })

  it('is not hidden by a record of it in Postgres', async () => {
    const { tenantId } = await stand.grownTenant(2, NOW - 27 * HOUR_MS)
    const at = new Date(NOW)
    await stand.superuser`
      insert into flarewatch.verification_runs (log, due_at, started_at, finished_at, size, sound)
      values (${tenantId}, ${at}, ${at}, ${at}, 2, true)`
    await stand.fire(EVERY_FEW_MINUTES, at)
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'night_missed', seq: null }])
  })
})

describe('L2, L4: receipts that do not follow', () => {
  it('while rows do not reach Postgres', async () => {
    const { tenantId } = await stand.grownTenant(2, NOW)
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW))
    await stand.superuser`revoke insert on flarewatch.audit_log from flarewatch_ledger`
    await stand.append(tenantId, 2, 1, { flushed: false, at: () => NOW })
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW + HOUR_MS / 4))
    expect(await stand.incidentsOf(tenantId)).toEqual([])
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW + HOUR_MS))
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'receipts_stalled', seq: 3 }])
    await stand.superuser`
      grant insert (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash)
      on flarewatch.audit_log to flarewatch_ledger`
  })

  it('while nothing can be published', async () => {
    const { tenantId } = await stand.grownTenant(2, NOW)
    const full = new Proxy((await stand.bucket()) as unknown as R2Bucket, {
      get: (bucket, name) =>
        name === 'put' ? () => Promise.reject(new Error('the bucket is full')) : Reflect.get(bucket, name),
    })
    const tools = {
      sql,
      bucket: full,
      ledgerOf: await stand.ledgers(),
      roster: await stand.roster(),
      signer: { signer: stand.signer, logName: LOG_NAME },
      at: new Date(NOW),
      limits: LIMITS,
      enqueue: async () => {},
    }
    const summary = await verifyAll(tools, 'moved')
    expect(summary.failed).toContain(tenantId)
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'receipts_stalled', seq: 1 }])
  })

  it('while keys are used and the chain does not grow', async () => {
    const [still, busy] = [await stand.grownTenant(1, NOW), await stand.grownTenant(1, NOW)]
    await useKey(still.tenantId, NOW)
    await useKey(busy.tenantId, NOW)
    await stand.append(busy.tenantId, 1, 1, { at: () => NOW - 60_000 })
    await stand.fire(EVERY_FEW_MINUTES, new Date(NOW))
    expect(await stand.incidentsOf(still.tenantId)).toEqual([{ kind: 'receipts_stalled', seq: 1 }])
    expect(await stand.incidentsOf(busy.tenantId)).toEqual([])
  })
})

/** What the connector notes after a poll. */
async function useKey(tenantId: TenantId, at: number): Promise<void> {
  await stand.superuser`insert into flarewatch.kek_checks (kek_version, check_value) values (1, sha256('first')) on conflict do nothing`
  await stand.superuser`
    insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek) values (${tenantId}, 1, 1, ${randomBytes(60)})`
  await stand.superuser`
    insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext,
      last4, scope, grade, next_poll_at, created_by, last_used_at)
    values (${randomUUID()}, ${tenantId}, 'cloudflare', 'Main', 1, ${randomBytes(60)}, 1, ${randomBytes(32)}, ${randomBytes(100)},
      'wxyz', '3 zones', 'read_only', now(), ${randomUUID()}, ${new Date(at)})`
}
