import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import postgres from 'postgres'
import type { AuditRow } from '../../domain/audit/row.ts'
import { ErrorBody, TENANT_HEADER } from '../../domain/contracts/api.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { newestReceiptKey, receiptKey, tileKey } from '../../domain/contracts/receipt-store.ts'
import { TileCutter } from '../../domain/merkle/tiles.ts'
import { hashLeaf, MerkleTree } from '../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../../domain/note/checkpoint.ts'
import { formatVkey, generateSigner, signNote } from '../../domain/note/signed-note.ts'
import { createAuthUsers, openAuthSession } from '../postgres/auth-users.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'
import { freePorts } from '../supervisor/ports.ts'
import { workerOptions } from '../workers/worker-options.ts'
import { startTcpSwitch } from './tcp-switch.ts'

/** The gateway, Durable Objects and Postgres as shipped, with an Auth issuer and a log that a test signs for, and a vault that says what it was asked. */
export type GatewayStand = Awaited<ReturnType<typeof startGatewayStand>>
export type Agency = {
  readonly tenant: TenantId
  readonly user: string
  readonly site: string
  readonly marker: string
}
export type Ask = {
  readonly user?: string
  readonly aal?: 'aal1' | 'aal2'
  readonly tenant?: string
  readonly method?: string
  /** Without one, a session that has just begun. */
  readonly session?: string
}

export const ISSUER = 'http://auth.test/auth/v1'
const DAY_MS = 24 * 60 * 60 * 1000
/** A midnight some days back, so that every fact lies in a month that has a partition. */
const TODAY = Math.floor(Date.now() / DAY_MS) * DAY_MS
export const UNKNOWN_SESSION = randomUUID()
/** Answers as the vault's door does, with what it was asked, or with the refusal that a test wrote into the limit. */
export const VAULT_STUB = `
import { WorkerEntrypoint } from 'cloudflare:workers'
const refusals = { 101: 'tenant_frozen', 102: 'budget_exceeded', 103: 'ledger_unreachable', 104: 'not_a_member', 105: 'not_openable' }
export class GatewayDoor extends WorkerEntrypoint {
  async ready() { return { ok: true } }
  async endSessions(jwt, ending) {
    return ending.sessionId === '${UNKNOWN_SESSION}' ? { ok: false, code: 'session_unknown' } : { ok: true, ended: ending.which === 'one' ? 1 : 2 }
  }
  async unsealAudit(jwt, { tenantId, afterSeq, limit, ...rest }) {
    if (limit in refusals) return { ok: false, code: refusals[limit] }
    if (limit === 106) throw new Error('unreachable')
    const detail = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)]))
    const row = { seq: afterSeq + 1, row_id: '${randomUUID()}', at: new Date().toISOString(), hash: 'h', actor: 'a', action: 'b', target: tenantId, detail, outcome: null, sealed: 'never' }
    return { ok: true, rows: [row], nextAfterSeq: jwt.length > 0 ? null : 0, nextBeforeSeq: rest.beforeSeq }
  }
}
export default { fetch: () => new Response(null, { status: 404 }) }`

export async function startGatewayStand() {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-gateway-'))
  const database = await startThrowawayPostgres()
  const sql = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  await createAuthUsers(sql)
  const store = await startTcpSwitch(database.poolPort)
  const auth = await startIssuer(sql)
  const signer = await generateSigner('flarewatch.test/log')
  const storeUrl = new URL(database.pooledUrlFor('flarewatch_gateway'))
  storeUrl.port = String(store.port)
  const vkey = formatVkey(signer)
  const { workers, origin } = await bootWorkers(dir, { storeUrl: storeUrl.href, jwksUrl: auth.jwksUrl, vkey })

  return {
    sql,
    store,
    vkey,
    origin,
    agency: (name: string) => seedAgency(sql, name),
    ask: async (path: string, { user, aal = 'aal2', tenant, method = 'GET', session }: Ask = {}): Promise<Response> => {
      const headers = new Headers()
      if (user !== undefined) headers.set('authorization', `Bearer ${await auth.sign(user, aal, session)}`)
      if (tenant !== undefined) headers.set(TENANT_HEADER, tenant)
      return fetch(`${origin}${path}`, { method, headers })
    },
    /** Puts what the verifier publishes, at each of the sizes, for a log of such leaves into the bucket. */
    publish: async (log: TenantId, leaves: readonly Uint8Array[], sizes: readonly number[]): Promise<MerkleTree> => {
      const bucket = await workers.getR2Bucket('RECEIPTS', 'flarewatch-gateway')
      const tree = new MerkleTree()
      for (const size of sizes) {
        const cutter = new TileCutter(tree.size)
        for (const leaf of leaves.slice(0, size)) cutter.append(hashLeaf(leaf))
        for (const leaf of leaves.slice(tree.size, size)) tree.append(leaf)
        for (const tile of cutter.tiles()) await bucket.put(tileKey(log, tile), tile.hashes)
        const chainHead = leaves[size - 1] ?? new Uint8Array(32)
        const origin = originOf(signer.name, log)
        const note = await signNote(formatCheckpoint({ origin, size, root: tree.root(), chainHead, at: TODAY }), [
          signer,
        ])
        await bucket.put(receiptKey(log, size), note)
        await bucket.put(newestReceiptKey(log), note)
      }
      return tree
    },
    stop: async () => {
      await workers.dispose()
      auth.close()
      await sql.end()
      await store.stop()
      await database.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

export async function codeOf(answer: Response): Promise<[number, string]> {
  return [answer.status, ErrorBody.parse(await answer.json()).error.code]
}

/** Midnight some days from today, as the API writes it. */
export function at(days: number): string {
  return new Date(TODAY + days * DAY_MS).toISOString()
}

export async function insertAuditRow(sql: postgres.Sql, row: AuditRow): Promise<void> {
  await sql`insert into flarewatch.audit_log ${sql({
    tenant_id: row.tenantId,
    epoch: row.epoch,
    seq: row.seq,
    row_id: row.rowId,
    at: new Date(row.at),
    key_version: row.keyVersion,
    previous_hash: row.previousHash,
    actor_tag: row.actorTag,
    action_tag: row.actionTag,
    target_tag: row.targetTag,
    sealed: row.sealed,
    hash: row.hash,
  })}`
}

/** Signs as Supabase Auth does, keeps each session as it does, and publishes its key where the gateway looks for it. */
export async function startIssuer(sql: postgres.Sql) {
  const keys = await generateKeyPair('ES256')
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }] })
  const server = createServer((_request, response) => response.setHeader('content-type', 'application/json').end(jwks))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return {
    jwksUrl: `http://127.0.0.1:${address.port}/jwks.json`,
    sign: async (user: string, aal: 'aal1' | 'aal2', session?: string) => {
      const session_id = session ?? randomUUID()
      if (session === undefined) await openAuthSession(sql, { id: session_id, userId: user, at: new Date(), aal })
      return new SignJWT({ role: 'authenticated', aal, session_id, email: 'user@agency.test' })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setSubject(user)
        .setIssuer(ISSUER)
        .setAudience('authenticated')
        .setExpirationTime('1h')
        .sign(keys.privateKey)
    },
    close: () => server.close(),
  }
}

/** A tenant with an owner, a credential, and a site with four days of facts: 1, 2, 3 and 4 requests. */
async function seedAgency(sql: postgres.Sql, name: string): Promise<Agency> {
  const [tenant, user, site, credential] = [TenantId.parse(randomUUID()), randomUUID(), randomUUID(), randomUUID()]
  const marker = `label of ${name}`
  await sql`insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
    values (${randomUUID()}, ${user}, 'totp', 'verified', now(), now())`
  await sql`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenant}, ${name}, 'active', now())`
  await sql`insert into flarewatch.members values (${tenant}, ${user}, 'owner')`
  await sql`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
    values (${tenant}, 1, 1, ${Buffer.alloc(60)})`
  await sql`insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
      ciphertext, last4, scope, grade, next_poll_at, created_by)
    values (${credential}, ${tenant}, 'cloudflare', ${marker}, 1, ${Buffer.alloc(60)}, 1, ${Buffer.alloc(32)},
      ${Buffer.alloc(99)}, 'wXyZ', 'Zone:Analytics:Read', 'read_only', now(), ${user})`
  await sql`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
    values (${site}, ${tenant}, ${credential}, 'cloudflare', 'zone', ${name})`
  for (const [metric, step] of [
    ['requests', 1],
    ['unique_visitors', 10],
  ] as const) {
    for (const day of [1, 2, 3, 4]) {
      await sql`insert into flarewatch.facts_daily (site_id, tenant_id, provider, metric, window_start, window_end, value, unit,
          source, fetched_at, sampling, completeness)
        values (${site}, ${tenant}, 'cloudflare', ${metric}, ${at(day - 5)}, ${at(day - 4)}, ${day * step}, 'count', 'test', now(), 1,
          ${day === 4 ? 'partial' : 'complete'})`
    }
  }
  for (const day of [2, 3]) {
    for (const [rank, key, value] of [
      [0, null, 2],
      [1, 'DE', 6],
      [2, 'AT', 2],
    ] as const) {
      await sql`insert into flarewatch.facts_top (site_id, tenant_id, provider, dimension, window_start, window_end, rank, key, value,
          source, fetched_at, sampling, completeness)
        values (${site}, ${tenant}, 'cloudflare', 'country', ${at(day - 5)}, ${at(day - 4)}, ${rank}, ${key}, ${value}, 'test', now(), 1,
          'complete')`
    }
  }
  return { tenant, user, site, marker }
}

type Addresses = { readonly storeUrl: string; readonly jwksUrl: string; readonly vkey: string }

async function bootWorkers(dir: string, { storeUrl, jwksUrl, vkey }: Addresses) {
  const pages = join(dir, 'pages')
  mkdirSync(pages)
  for (const name of ['index', '404']) writeFileSync(join(pages, `${name}.html`), `<p>${name}<script>start()</script>`)
  const ports = await freePorts('gateway', 'host')
  const gateway = await workerOptions('gateway', {
    databaseUrl: storeUrl,
    port: ports.gateway,
    clock: undefined,
    bindings: {
      AUTH_ISSUER: ISSUER,
      AUTH_JWKS_URL: jwksUrl,
      SUPABASE_URL: 'http://auth.test',
      PUBLISHABLE_KEY: 'sb_publishable_test',
      LOG_VKEY: vkey,
    },
  })
  const host = await workerOptions('durable-objects', {
    databaseUrl: storeUrl,
    port: ports.host,
    clock: undefined,
    bindings: {},
  })
  const vault = {
    name: 'flarewatch-vault',
    compatibilityDate: '2026-11-01',
    modules: [{ type: 'ESModule' as const, path: 'vault.mjs', contents: VAULT_STUB }],
  }
  const quiet = {
    log: new Log(LogLevel.NONE),
    handleStructuredLogs: () => {},
    cf: false,
    telemetry: { enabled: false },
  }
  const assets = gateway.assets === undefined ? undefined : { ...gateway.assets, directory: pages }
  const workers = new Miniflare(
    convertV4MiniflareOptions({
      ...quiet,
      workers: [{ ...gateway, assets } as typeof gateway, host, vault],
      host: '127.0.0.1',
      port: 0,
    }),
  )
  await workers.ready
  return { workers, origin: `http://127.0.0.1:${ports.gateway}` }
}
