import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../domain/audit/row.ts'
import { type AuditLedgerApi, ROSTER_NAME, type TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId, TenantId } from '../../domain/contracts/ids.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { newestReceiptKey, receiptKey, tileKey } from '../../domain/contracts/receipt-store.ts'
import { consistencyProofFromTiles } from '../../domain/merkle/tiles.ts'
import { MerkleTree, verifyConsistency } from '../../domain/merkle/tree.ts'
import { type Checkpoint, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { formatSignerKey, generateSigner, openNote } from '../../domain/note/signed-note.ts'
import { type EmbeddedPostgres, startPostgres } from '../../local/postgres/postgres.ts'
import { TAMPERINGS, type TamperedChain, withoutTriggers } from '../../local/stands/audit-tampering.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { workerOptions } from '../../local/workers/worker-options.ts'
import { connect } from '../runtime/database.ts'
import { LIMITS } from './instruments.ts'
import { verifyAll } from './verify.ts'

const LOG_NAME = 'flarewatch.test/log'
const EVERY_FEW_MINUTES = '*/5 * * * *'
const NIGHTLY = '15 2 * * *'
const signer = await generateSigner(LOG_NAME)
/** The first rows of a chain fall into last month, the others into this one: a chain crosses partitions. */
const MONTH_START = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth())

const dir = mkdtempSync(join(tmpdir(), 'flarewatch-verifier-'))
let database: EmbeddedPostgres
let superuser: postgres.Sql
let workers: Miniflare

beforeAll(async () => {
  database = await startPostgres({ dir })
  superuser = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  const ports = await freePorts('verifier', 'durable-objects')
  const values = (
    role: 'flarewatch_ledger' | 'flarewatch_verifier',
    port: number,
    bindings: Record<string, string>,
  ) => ({ databaseUrl: database.pooledUrlFor(role), port, bindings, clock: Date.now })
  const keys = { LOG_NAME, RECEIPT_SIGNING_KEY: formatSignerKey(signer) }
  const options = [
    await workerOptions('durable-objects', values('flarewatch_ledger', ports['durable-objects'], {})),
    await workerOptions('verifier', values('flarewatch_verifier', ports.verifier, keys)),
  ]
  workers = new Miniflare(
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
})

afterAll(async () => {
  await workers?.dispose()
  await superuser?.end()
  await database?.stop()
  rmSync(dir, { recursive: true, force: true })
})

describe('L4: the verifier, over a chain that is sound', () => {
  it('signs a checkpoint that an outside reader of signed notes opens, over exactly the stored rows', async () => {
    const { tenantId, rows } = await grownTenant(7)
    expect(await fire(NIGHTLY)).toBe('ok')
    const { text, checkpoint } = await publishedReceipt(tenantId)
    expect(checkpoint).toMatchObject({ origin: `${LOG_NAME}/${tenantId}`, size: 7 })
    expect(checkpoint.root).toEqual(treeOf(rows).root())
    expect(checkpoint.chainHead).toEqual(rows.at(-1)?.hash)
    const stored = await superuser`select size, note from flarewatch.receipts where log = ${tenantId}`
    expect(stored.map(({ size, note }) => [Number(size), note])).toEqual([[7, text]])
    expect(await incidentsOf(tenantId)).toEqual([])
  })

  it('signs a size once, and a grown log anew, consistently', async () => {
    const tenant = await grownTenant(3)
    await fire(EVERY_FEW_MINUTES)
    const first = await publishedReceipt(tenant.tenantId)
    await fire(NIGHTLY)
    expect((await publishedReceipt(tenant.tenantId)).text).toBe(first.text)

    const rows = [...tenant.rows, ...(await append(tenant.tenantId, 3, 300))]
    await fire(EVERY_FEW_MINUTES)
    const second = await publishedReceipt(tenant.tenantId)
    expect(second.checkpoint).toMatchObject({ size: 303, root: treeOf(rows).root() })
    const bucket = await receiptBucket()
    const proof = await consistencyProofFromTiles(3, 303, async (tile) => {
      const stored = await bucket.get(tileKey(tenant.tenantId, tile))
      return new Uint8Array((await stored?.arrayBuffer()) ?? new ArrayBuffer())
    })
    const roots = { fromRoot: first.checkpoint.root, toRoot: second.checkpoint.root }
    expect(verifyConsistency({ from: 3, to: 303, ...roots, proof })).toBe(true)
  })

  it('completes what an earlier run broke off after its receipt was out', async () => {
    const { tenantId } = await grownTenant(2)
    await fire(NIGHTLY)
    const { text } = await publishedReceipt(tenantId)
    await (await receiptBucket()).delete(newestReceiptKey(tenantId))
    await superuser`delete from flarewatch.receipts where log = ${tenantId}`
    await fire(NIGHTLY)
    expect((await publishedReceipt(tenantId)).text).toBe(text)
    const [stored] = await superuser`select note from flarewatch.receipts where log = ${tenantId}`
    expect(stored?.note).toBe(text)
  })

  it('takes rows that the ledger has not flushed yet for what they are', async () => {
    const { tenantId } = await grownTenant(4)
    await superuser`revoke insert on flarewatch.audit_log from flarewatch_ledger`
    try {
      await append(tenantId, 4, 2, { flushed: false })
      await fire(NIGHTLY)
    } finally {
      await superuser`
        grant insert (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag,
          sealed, hash) on flarewatch.audit_log to flarewatch_ledger`
    }
    expect((await publishedReceipt(tenantId)).checkpoint.size).toBe(4)
    expect(await incidentsOf(tenantId)).toEqual([])
  })
})

describe('a tenant that cannot be looked at', () => {
  it('is accused of nothing, gets no receipt, and keeps no other from one', async () => {
    const [silent, other] = [await grownTenant(2), await grownTenant(2)]
    const reachable = await ledgerNamespace()
    const sql = connect({ connectionString: database.urlFor('flarewatch_verifier') } as Hyperdrive)
    const unreachable = { head: () => Promise.reject(new Error('unreachable')) } as unknown as AuditLedgerApi
    const queued: VerifyMessage[] = []
    const tools = {
      sql,
      bucket: (await receiptBucket()) as unknown as R2Bucket,
      ledgerOf: (tenantId: TenantId) => (tenantId === silent.tenantId ? unreachable : reachable(tenantId)),
      roster: await roster(),
      signer: { signer, logName: LOG_NAME },
      at: new Date(),
      limits: LIMITS,
      enqueue: async (messages: readonly VerifyMessage[]) => void queued.push(...messages),
    }
    const summary = await verifyAll(tools, 'all').finally(() => sql.end())
    expect(summary.failed).toEqual([silent.tenantId])
    expect(queued).toMatchObject([{ kind: 'night', log: silent.tenantId }])
    expect((await publishedReceipt(other.tenantId)).checkpoint.size).toBe(2)
    expect(await incidentsOf(silent.tenantId)).toEqual([])
    expect(await (await receiptBucket()).head(newestReceiptKey(silent.tenantId))).toBeNull()
  })
})

describe('L2, T3: a superuser changes what is stored', () => {
  it.each(TAMPERINGS)(
    '%s: an incident names kind and sequence, nothing is signed, others are',
    async (_what, expected, tamper) => {
      const tenant = await grownTenant(4)
      await fire(EVERY_FEW_MINUTES)
      const before = await publishedReceipt(tenant.tenantId)
      const rows = [...tenant.rows, ...(await append(tenant.tenantId, 4, 2))]
      await withoutTriggers(superuser, () => tamper(superuser, { ...tenant, rows }))
      const bystander = await grownTenant(2)

      await fire(NIGHTLY)
      expect(await incidentsOf(tenant.tenantId)).toEqual([expected])
      expect((await publishedReceipt(tenant.tenantId)).text).toBe(before.text)
      expect((await publishedReceipt(bystander.tenantId)).checkpoint.size).toBe(2)

      await fire(NIGHTLY)
      expect(await incidentsOf(tenant.tenantId)).toHaveLength(1)
    },
  )
})

/** An active tenant in Postgres, in the roster, and with `count` rows that the ledger has flushed. */
async function grownTenant(count: number): Promise<TamperedChain> {
  const tenantId = TenantId.parse(randomUUID())
  await superuser`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenantId}, 'Agency', 'active', now())`
  const ledger = await ledgerOf(tenantId)
  await ledger.auditShare(tenantId)
  const rows = await append(tenantId, 0, count)
  await (await roster()).enter(tenantId, rows[0]?.hash ?? new Uint8Array(), Date.now())
  return { tenantId, rows }
}

/** Appends as the vault does, row by row, and waits until Postgres has them. */
async function append(tenantId: TenantId, known: number, count: number, { flushed = true } = {}): Promise<AuditRow[]> {
  const ledger = await ledgerOf(tenantId)
  for (let seq = known + 1; seq <= known + count; seq += 1) {
    const row = {
      tenantId,
      rowId: AuditRowId.parse(randomUUID()),
      keyVersion: 1,
      actorTag: bytes(32),
      actionTag: bytes(32),
      targetTag: bytes(32),
      sealed: bytes(285),
    }
    // The first two rows belong to last month.
    const answer = await ledger.append({ row, at: MONTH_START + (seq - 3) * 1000 })
    if (!answer.ok) throw new Error(answer.code)
  }
  while (flushed && (await ledger.head()).flushedSeq < known + count) await sleep(10)
  const rows: AuditRow[] = []
  while (rows.length < count) rows.push(...(await ledger.rowsFrom(known + 1 + rows.length, 500)))
  return rows
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length))
}

function treeOf(rows: readonly AuditRow[]): MerkleTree {
  const tree = new MerkleTree()
  for (const { hash } of rows) tree.append(hash)
  return tree
}

async function fire(cron: string): Promise<string> {
  const verifier = await workers.getWorker('flarewatch-verifier')
  return (await verifier.scheduled({ cron, scheduledTime: new Date() })).outcome
}

async function receiptBucket() {
  return workers.getR2Bucket('RECEIPTS', 'flarewatch-verifier')
}

/** The newest receipt, judged with the published key alone, as a stranger would. */
async function publishedReceipt(log: TenantId): Promise<{ text: string; checkpoint: Checkpoint }> {
  const bucket = await receiptBucket()
  const text = (await (await bucket.get(newestReceiptKey(log)))?.text()) ?? ''
  const opened = await openNote(text, [{ name: LOG_NAME, publicKey: signer.publicKey }])
  if (!opened.ok) throw new Error(opened.code)
  const checkpoint = parseCheckpoint(opened.value.text)
  if (!checkpoint.ok) throw new Error(checkpoint.code)
  expect(await (await bucket.get(receiptKey(log, checkpoint.value.size)))?.text()).toBe(text)
  return { text, checkpoint: checkpoint.value }
}

async function incidentsOf(tenantId: TenantId): Promise<{ kind: string; seq: number | null }[]> {
  const rows =
    await superuser`select kind, seq from flarewatch.incidents where tenant_id = ${tenantId} and part = 'verifier' order by at, kind`
  return rows.map(({ kind, seq }) => ({ kind: String(kind), seq: seq === null ? null : Number(seq) }))
}

async function ledgerOf(tenantId: TenantId): Promise<AuditLedgerApi> {
  return (await ledgerNamespace())(tenantId)
}

async function ledgerNamespace(): Promise<(tenantId: TenantId) => AuditLedgerApi> {
  const namespace = await workers.getDurableObjectNamespace('AUDIT_LEDGER', 'flarewatch-verifier')
  return (tenantId) => namespace.get(namespace.idFromName(tenantId)) as unknown as AuditLedgerApi
}

async function roster(): Promise<TenantRosterApi> {
  const namespace = await workers.getDurableObjectNamespace('TENANT_ROSTER', 'flarewatch-verifier')
  return namespace.get(namespace.idFromName(ROSTER_NAME)) as unknown as TenantRosterApi
}
