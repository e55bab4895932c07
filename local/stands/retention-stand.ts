import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'
import postgres from 'postgres'
import type { SealedRow } from '../../domain/audit/row.ts'
import { type AuditLedgerApi, ROSTER_NAME, type TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId, TenantId } from '../../domain/contracts/ids.ts'
import { formatSignerKey, formatVkey, generateSigner } from '../../domain/note/signed-note.ts'
import { createAuthUsers } from '../postgres/auth-users.ts'
import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'
import { freePorts } from '../supervisor/ports.ts'
import { workerOptions } from '../workers/worker-options.ts'
import { ISSUER, startIssuer, VAULT_STUB } from './gateway-stand.ts'

/** Ledgers, verifier, gateway and Postgres as shipped, with one bucket between them, crons that are fired by hand, and a clock that is an argument. */
export type RetentionStand = Awaited<ReturnType<typeof startRetentionStand>>

export const CRONS = { nightly: '15 2 * * *', retention: '45 3 * * *' } as const
const LOG_NAME = 'flarewatch.test/log'
const VERIFIER = 'flarewatch-verifier'

export async function startRetentionStand() {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-retention-'))
  const [database, signer] = await Promise.all([startThrowawayPostgres(), generateSigner(LOG_NAME)])
  const superuser = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  await createAuthUsers(superuser)
  const issuer = await startIssuer(superuser)
  const clock = { now: Date.now() }
  const keys = { LOG_NAME, RECEIPT_SIGNING_KEY: formatSignerKey(signer) }
  const vkey = formatVkey(signer)
  const { workers, origin } = await boot(dir, database, clock, { keys, vkey, jwksUrl: issuer.jwksUrl })
  const ledgers = await workers.getDurableObjectNamespace('AUDIT_LEDGER', VERIFIER)
  const rosters = await workers.getDurableObjectNamespace('TENANT_ROSTER', VERIFIER)
  const roster = rosters.get(rosters.idFromName(ROSTER_NAME)) as unknown as TenantRosterApi
  const ledgerOf = (tenantId: TenantId) => ledgers.get(ledgers.idFromName(tenantId)) as unknown as AuditLedgerApi

  return {
    dir,
    database,
    superuser,
    signer,
    vkey,
    origin,
    bucket: await workers.getR2Bucket('RECEIPTS', VERIFIER),
    roster,
    ledgerOf,
    /** Runs a cron of the verifier as if it were due then. */
    fire: async (cron: keyof typeof CRONS, at: number): Promise<string> => {
      clock.now = at
      const verifier = await workers.getWorker(VERIFIER)
      return (await verifier.scheduled({ cron: CRONS[cron], scheduledTime: new Date(at) })).outcome
    },
    /** A tenant whose first row is of that time, with an owner. */
    bear: async (at: number): Promise<{ tenant: TenantId; owner: string }> => {
      const [tenant, owner] = [TenantId.parse(randomUUID()), randomUUID()]
      await superuser`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenant}, 'Agency', 'active', now())`
      await superuser`insert into flarewatch.members values (${tenant}, ${owner}, 'owner')`
      await superuser`insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
        values (${randomUUID()}, ${owner}, 'totp', 'verified', now(), now())`
      const ledger = ledgerOf(tenant)
      await ledger.auditShare(tenant)
      clock.now = at
      const first = await ledger.append({ row: someRow(tenant), at })
      if (!first.ok) throw new Error(first.code)
      await roster.enter(tenant, first.hash, at)
      return { tenant, owner }
    },
    /** Appends as the vault does, and waits until Postgres has it all. */
    append: async (tenant: TenantId, times: readonly number[]): Promise<void> => {
      const ledger = ledgerOf(tenant)
      clock.now = times.at(-1) ?? clock.now
      const answers = await ledger.appendMany(times.map((at) => ({ row: someRow(tenant), at })))
      if (answers.some(({ ok }) => !ok)) throw new Error('a row was refused')
      for (;;) {
        const { seq, flushedSeq } = await ledger.head()
        if (flushedSeq === seq) return
        await sleep(10)
      }
    },
    ask: async (path: string, user?: string): Promise<Response> => {
      clock.now = Date.now()
      const authorization = user === undefined ? {} : { authorization: `Bearer ${await issuer.sign(user, 'aal2')}` }
      return fetch(`${origin}${path}`, { headers: authorization })
    },
    stop: async () => {
      await workers.dispose()
      issuer.close()
      await superuser.end()
      await database.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function someRow(tenantId: TenantId): SealedRow {
  const bytes = (length: number) => new Uint8Array(randomBytes(length))
  const tags = { actorTag: bytes(32), actionTag: bytes(32), targetTag: bytes(32) }
  return { tenantId, rowId: AuditRowId.parse(randomUUID()), keyVersion: 1, ...tags, sealed: bytes(285) }
}

type Published = { readonly keys: Record<string, string>; readonly vkey: string; readonly jwksUrl: string }

async function boot(dir: string, database: EmbeddedPostgres, clock: { readonly now: number }, published: Published) {
  const ports = await freePorts('verifier', 'durable-objects', 'gateway')
  const common = { clock: () => clock.now }
  const url = (role: 'ledger' | 'verifier' | 'gateway') => database.pooledUrlFor(`flarewatch_${role}`)
  const options: V4WorkerOptions[] = [
    await workerOptions('durable-objects', {
      ...common,
      databaseUrl: url('ledger'),
      port: ports['durable-objects'],
      bindings: {},
    }),
    await workerOptions('verifier', {
      ...common,
      databaseUrl: url('verifier'),
      port: ports.verifier,
      bindings: published.keys,
    }),
    await gatewayOptions(dir, { ...common, databaseUrl: url('gateway'), port: ports.gateway }, published),
    {
      name: 'flarewatch-vault',
      compatibilityDate: '2026-11-01',
      modules: [{ type: 'ESModule', path: 'vault.mjs', contents: VAULT_STUB }],
    },
  ]
  const workers = new Miniflare(
    convertV4MiniflareOptions({
      workers: options,
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      unsafeTriggerHandlers: true,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: () => {},
    }),
  )
  await workers.ready
  return { workers, origin: `http://127.0.0.1:${ports.gateway}` }
}

type GatewayValues = { readonly clock: () => number; readonly databaseUrl: string; readonly port: number }

async function gatewayOptions(dir: string, values: GatewayValues, { vkey, jwksUrl }: Published) {
  const pages = join(dir, 'pages')
  mkdirSync(pages)
  writeFileSync(join(pages, '404.html'), '404')
  const gateway = await workerOptions('gateway', {
    ...values,
    bindings: {
      AUTH_ISSUER: ISSUER,
      AUTH_JWKS_URL: jwksUrl,
      SUPABASE_URL: 'http://auth.test',
      PUBLISHABLE_KEY: 'sb_publishable_test',
      LOG_VKEY: vkey,
    },
  })
  const assets = gateway.assets === undefined ? undefined : { ...gateway.assets, directory: pages }
  return { ...gateway, assets } as typeof gateway
}
