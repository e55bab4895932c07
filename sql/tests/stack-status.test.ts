import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { WorkerRole } from '../../local/postgres/roles.ts'
import {
  asGateway,
  type Claims,
  connectAs,
  INSUFFICIENT_PRIVILEGE,
  type Role,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { NOW, seedCredential, seedWorld } from './world.ts'

const sql = connectAs('supabase_admin')
const HOUR_MS = 3_600_000
const claims = (sub: string, tenantId: string | null): Claims => ({ sub, aal: 'aal1', tenant_id: tenantId })

async function status(tx: Tx, who: Claims | null, at = NOW) {
  const rows = await asGateway(tx, who, () => tx`select * from flarewatch.stack_status(${at})`)
  return [...rows]
}

describe('T4: what the gateway learns of the queue', () => {
  test('is counted for the bound tenant alone', () =>
    rolledBack(sql, async (tx) => {
      const { ash, birch } = await seedWorld(tx)
      const due = randomUUID()
      await seedCredential(tx, ash.id, due, new Date(NOW.getTime() - HOUR_MS))
      for (const hours of [1, 30]) {
        await tx`insert into flarewatch.jobs (tenant_id, credential_id, state, reason, lease_until, created_at, finished_at)
          values (${ash.id}, ${due}, 'dead', 'lease_expired', ${NOW}, ${NOW}, ${new Date(NOW.getTime() - hours * HOUR_MS)})`
      }
      const quiet = {
        jobs_leased: 1,
        jobs_due: 0,
        oldest_due_at: null,
        newest_job_at: NOW,
        dead_letters_24h: 0,
        audit_rows: 2,
      }
      expect(await status(tx, claims(birch.viewer, birch.id))).toEqual([quiet])
      expect(await status(tx, claims(ash.viewer, ash.id))).toEqual([
        { ...quiet, jobs_due: 1, oldest_due_at: new Date(NOW.getTime() - HOUR_MS), dead_letters_24h: 1 },
      ])
    }))

  test('is nothing for an outsider, for a member of another tenant, without TOTP (A1), and unbound', () =>
    rolledBack(sql, async (tx) => {
      const { ash, birch, outsider } = await seedWorld(tx)
      for (const who of [
        claims(outsider, ash.id),
        claims(ash.owner, birch.id),
        claims(ash.unenrolled, ash.id),
        claims(ash.owner, null),
        null,
      ]) {
        expect(await status(tx, who)).toEqual([])
      }
    }))

  test('is asked by the gateway alone', () =>
    rolledBack(sql, async (tx) => {
      const others: (Role | WorkerRole)[] = [
        'flarewatch_scheduler',
        'flarewatch_connector',
        'flarewatch_vault',
        'anon',
        'authenticated',
        'service_role',
      ]
      for (const role of others) {
        const ask = (inner: Tx) => inner`select * from flarewatch.stack_status(${NOW})`
        expect(await refusal(tx, role, ask), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))
})
