import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import postgres from 'postgres'
import type { AuditRow } from '../../domain/audit/row.ts'
import { type AuditLedgerApi, ROSTER_NAME, type TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId, TenantId } from '../../domain/contracts/ids.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { newestReceiptKey, receiptKey } from '../../domain/contracts/receipt-store.ts'
import { type Checkpoint, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { formatSignerKey, generateSigner, type NoteSigner, openNote } from '../../domain/note/signed-note.ts'
import type { EmbeddedPostgres } from '../postgres/postgres.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'
import { freePorts } from '../supervisor/ports.ts'
import { workerOptions } from '../workers/worker-options.ts'
import type { TamperedChain } from './audit-tampering.ts'

export const LOG_NAME = 'flarewatch.test/log'
export const EVERY_FEW_MINUTES = '*/5 * * * *'
export const NIGHTLY = '15 2 * * *'
/** The first rows of a chain fall into last month, the others into this one: a chain crosses partitions. */
const MONTH_START = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth())

/** A real Postgres, and a workerd with the verifier and the Durable Objects: chains grow by the ledger, as they do in the stack. */
export type VerifierStand = {
  readonly database: EmbeddedPostgres
  readonly superuser: postgres.Sql
  readonly signer: NoteSigner
  readonly fire: (cron: string, at?: Date) => Promise<string>
  /** Puts a message into the verifier's own queue. */
  readonly send: (message: VerifyMessage) => Promise<void>
  readonly bucket: () => ReturnType<Miniflare['getR2Bucket']>
  readonly ledgers: () => Promise<(tenantId: TenantId) => AuditLedgerApi>
  readonly roster: () => Promise<TenantRosterApi>
  /** An active tenant in Postgres, in the roster, and with `count` rows that the ledger has flushed. */
  readonly grownTenant: (count: number, enteredAt?: number) => Promise<TamperedChain>
  /** Appends as the vault does, row by row, and waits until Postgres has them. */
  readonly append: (tenantId: TenantId, known: number, count: number, options?: AppendOptions) => Promise<AuditRow[]>
  /** The newest receipt, judged with the published key alone, as a stranger would. */
  readonly publishedReceipt: (log: TenantId) => Promise<{ readonly text: string; readonly checkpoint: Checkpoint }>
  readonly incidentsOf: (tenantId: TenantId) => Promise<{ kind: string; seq: number | null }[]>
  readonly stop: () => Promise<void>
}
export type AppendOptions = { readonly flushed?: boolean; readonly at?: (seq: number) => number }

export async function startVerifierStand(): Promise<VerifierStand> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-verifier-'))
  const signer = await generateSigner(LOG_NAME)
  const database = await startThrowawayPostgres()
  const superuser = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  const workers = await startWorkers(database, signer)
  const bucket = () => workers.getR2Bucket('RECEIPTS', 'flarewatch-verifier')
  const ledgers: VerifierStand['ledgers'] = async () => {
    const namespace = await workers.getDurableObjectNamespace('AUDIT_LEDGER', 'flarewatch-verifier')
    return (tenantId) => namespace.get(namespace.idFromName(tenantId)) as unknown as AuditLedgerApi
  }
  const roster: VerifierStand['roster'] = async () => {
    const namespace = await workers.getDurableObjectNamespace('TENANT_ROSTER', 'flarewatch-verifier')
    return namespace.get(namespace.idFromName(ROSTER_NAME)) as unknown as TenantRosterApi
  }
  const append: VerifierStand['append'] = async (tenantId, known, count, options = {}) =>
    appendRows((await ledgers())(tenantId), tenantId, known, count, options)
  return {
    database,
    superuser,
    signer,
    fire: async (cron, at = new Date()) => {
      const verifier = await workers.getWorker('flarewatch-verifier')
      return (await verifier.scheduled({ cron, scheduledTime: at })).outcome
    },
    send: async (message) => {
      const queue = await workers.getQueueProducer<VerifyMessage>('VERIFY', 'flarewatch-verifier')
      await queue.send(message)
    },
    bucket,
    ledgers,
    roster,
    append,
    grownTenant: async (count, enteredAt = Date.now()) => {
      const tenantId = TenantId.parse(randomUUID())
      await superuser`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenantId}, 'Agency', 'active', now())`
      await (await ledgers())(tenantId).auditShare(tenantId)
      const rows = await append(tenantId, 0, count)
      await (await roster()).enter(tenantId, rows[0]?.hash ?? new Uint8Array(), enteredAt)
      return { tenantId, rows }
    },
    publishedReceipt: async (log) => publishedReceipt(await bucket(), log, signer),
    incidentsOf: async (tenantId) => {
      const rows = await superuser`
        select kind, seq from flarewatch.incidents where tenant_id = ${tenantId} and part = 'verifier' order by at, kind`
      return rows.map(({ kind, seq }) => ({ kind: String(kind), seq: seq === null ? null : Number(seq) }))
    },
    stop: async () => {
      await workers.dispose()
      await superuser.end()
      await database.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function startWorkers(database: EmbeddedPostgres, signer: NoteSigner): Promise<Miniflare> {
  const ports = await freePorts('verifier', 'durable-objects')
  const values = (
    role: 'flarewatch_ledger' | 'flarewatch_verifier',
    port: number,
    bindings: Record<string, string>,
  ) => ({ databaseUrl: database.pooledUrlFor(role), port, bindings, clock: undefined })
  const keys = { LOG_NAME, RECEIPT_SIGNING_KEY: formatSignerKey(signer) }
  const options = [
    await workerOptions('durable-objects', values('flarewatch_ledger', ports['durable-objects'], {})),
    await workerOptions('verifier', values('flarewatch_verifier', ports.verifier, keys)),
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
  return workers
}

const IN_ORDER = 3
const AT_A_TIME = 50
/** The first two rows belong to last month, unless told otherwise. */
const ACROSS_MONTHS = (seq: number) => MONTH_START + (seq - 3) * 1000

async function appendRows(
  ledger: AuditLedgerApi,
  tenantId: TenantId,
  known: number,
  count: number,
  { flushed = true, at = ACROSS_MONTHS }: AppendOptions,
): Promise<AuditRow[]> {
  const appendOne = async (seq: number) => {
    const row = {
      tenantId,
      rowId: AuditRowId.parse(randomUUID()),
      keyVersion: 1,
      actorTag: bytes(32),
      actionTag: bytes(32),
      targetTag: bytes(32),
      sealed: bytes(285),
    }
    const answer = await ledger.append({ row, at: at(seq) })
    if (!answer.ok) throw new Error(answer.code)
  }
  // The first in order, since they fall into last month; whichever of the others comes first gets the lower number.
  const seqs = Array.from({ length: count }, (_, index) => known + 1 + index)
  for (const seq of seqs.slice(0, IN_ORDER)) await appendOne(seq)
  for (let next = IN_ORDER; next < count; next += AT_A_TIME)
    await Promise.all(seqs.slice(next, next + AT_A_TIME).map(appendOne))
  while (flushed && (await ledger.head()).flushedSeq < known + count) await sleep(10)
  const rows: AuditRow[] = []
  while (rows.length < count) rows.push(...(await ledger.rowsFrom(known + 1 + rows.length, 500)))
  return rows
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length))
}

async function publishedReceipt(
  bucket: Awaited<ReturnType<VerifierStand['bucket']>>,
  log: TenantId,
  { name, publicKey }: NoteSigner,
): Promise<{ text: string; checkpoint: Checkpoint }> {
  const text = (await (await bucket.get(newestReceiptKey(log)))?.text()) ?? ''
  const opened = await openNote(text, [{ name, publicKey }])
  if (!opened.ok) throw new Error(opened.code)
  const checkpoint = parseCheckpoint(opened.value.text)
  if (!checkpoint.ok) throw new Error(checkpoint.code)
  const standing = await (await bucket.get(receiptKey(log, checkpoint.value.size)))?.text()
  if (standing !== text) throw new Error('the newest receipt is not the one of its size')
  return { text, checkpoint: checkpoint.value }
}
