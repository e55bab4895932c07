import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { bundle, workerOptions } from '../../local/workers/worker-options.ts'
import type { LedgerAnswer, LedgerJob } from './ledger-job.ts'
import { ask, startWorkerd } from './workerd.ts'

const DRIVER = 'tools/bench/workers/ledger-driver.ts'
const POLL_MS = 5
const DRAINED_WITHIN_MS = 120_000

export type LedgerStand = Awaited<ReturnType<typeof startLedgerStand>>

/** The Durable Objects' host as shipped, one tenant's ledger in it, a Worker that calls it, and Postgres behind the pool. */
export async function startLedgerStand() {
  const database = await startThrowawayPostgres('shipped')
  const sql = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  const ports = await freePorts('host', 'driver', 'probe')
  const { serviceBindings: _, ...host } = await workerOptions('durable-objects', {
    bindings: {},
    databaseUrl: database.pooledUrlFor('flarewatch_ledger'),
    port: ports.host,
    clock: Date.now,
  })
  const driver = {
    name: 'ledger-driver',
    modules: [{ type: 'ESModule' as const, path: 'ledger-driver.mjs', contents: await bundle(DRIVER) }],
    compatibilityDate: '2026-11-01',
    durableObjects: {
      AUDIT_LEDGER: { className: 'AuditLedger', scriptName: 'flarewatch-durable-objects' },
      NOOP: { className: 'Noop', useSQLite: true },
    },
    unsafeDirectSockets: [{ host: '127.0.0.1', port: ports.driver }],
  }
  // The host keeps the platform's clock: the embedded stack's is asked over HTTP.
  const workerd = await startWorkerd([host, driver])
  const tenantId = randomUUID()
  await sql`insert into flarewatch.tenants (id, name) values (${tenantId}, 'Bench')`
  const run = (job: Omit<LedgerJob, 'tenantId'>) => ask<LedgerAnswer>(ports.driver, { tenantId, ...job })
  const nothing = { calls: 0, inFlight: 0, rows: 0 }
  await run({ side: 'birth', ...nothing })
  return {
    sql,
    tenantId,
    superuserUrl: database.superuserUrl,
    run,
    drained: async () => {
      const deadline = performance.now() + DRAINED_WITHIN_MS
      for (;;) {
        const { seq, flushedSeq } = await run({ side: 'head', ...nothing })
        if (seq === flushedSeq) return seq
        if (performance.now() > deadline) throw new Error(`Postgres has ${flushedSeq} of ${seq} rows after two minutes`)
        await new Promise((passed) => setTimeout(passed, POLL_MS))
      }
    },
    stop: async () => {
      await workerd.stop()
      await sql.end({ timeout: 1 })
      await database.stop()
    },
  }
}
