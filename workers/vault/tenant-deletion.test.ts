import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ChainVerifier } from '../../domain/audit/chain.ts'
import { openContent } from '../../domain/audit/content.ts'
import { encodeExportLine } from '../../domain/audit/export.ts'
import { ExportVerifier } from '../../domain/audit/export-verifier.ts'
import { type AuditRow, genesisHash } from '../../domain/audit/row.ts'
import { BACKUP_WINDOW_MS } from '../../domain/contracts/backup-window.ts'
import { newestReceiptKey, receiptKey, shreddingKey } from '../../domain/contracts/receipt-store.ts'
import { MerkleTree, verifyConsistency } from '../../domain/merkle/tree.ts'
import { type Checkpoint, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { parseShredding, type ShreddingCertificate, shreddingOriginOf } from '../../domain/note/shredding.ts'
import { openNote } from '../../domain/note/signed-note.ts'
import { withoutTriggers } from '../../local/stands/audit-tampering.ts'
import { type Agency, foundAgency, ledgerOf, rosterOf } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack } from '../../local/stands/polling-stand.ts'

const START = Math.floor(Date.now() / 60_000) * 60_000
const NIGHTLY = '15 2 * * *'

let stack: PollingStack
let agency: Agency
beforeAll(async () => {
  stack = await startPollingStack(START)
})
afterAll(() => stack?.stop())
beforeEach(async () => {
  agency = await foundAgency(stack, stack.simulator.issueToken({ scope: 'read' }), 2)
})

const remove = (confirm = 'Agency') => stack.operatorCall('tenant-delete', { tenant_id: agency.tenantId, confirm })
/** Each night is a later one: one that has ended is not walked again. */
const verify = async () => {
  stack.now += 60_000
  const worker = await stack.miniflare.getWorker('flarewatch-verifier')
  return worker.scheduled({ cron: NIGHTLY, scheduledTime: new Date(stack.now) })
}
const incidents = async () => {
  const rows = await stack.sql`
    select kind from flarewatch.incidents where tenant_id = ${agency.tenantId} and part = 'verifier' order by at, kind`
  return rows.map(({ kind }) => kind)
}
const rowsIn = async (table: string) => {
  const [row] = await stack.sql`
    select count(*)::int as n from ${stack.sql(`flarewatch.${table}`)} where tenant_id = ${agency.tenantId}`
  return row?.n
}

describe('V2: a deleted tenant', () => {
  it('L2 L4 has nothing left that opens, a chain that verifies to its last row, and a certificate that says so', async () => {
    await poll()
    await verify()
    const before = await checkpointOf(newestReceiptKey(agency.tenantId))
    const exported = await exportedLog(before)

    const at = stack.now
    const answers = [await remove()]
    while (answers.at(-1)?.body.state === 'deleting') answers.push(await remove())
    expect(answers.length).toBeLessThan(10)
    expect(answers.at(-1)).toMatchObject({ status: 200, body: { state: 'deleted', certificate: null } })
    const [last] = (await rowsOf()).slice(-1)
    expect(await openContent({ auditKey: agency.auditKey, row: last as AuditRow })).toMatchObject({
      value: {
        actor: 'operator',
        action: 'tenant.delete',
        detail: { deks: '1/1', audit_keys: '1/1', credentials: '2' },
      },
    })
    for (const table of [
      'credentials',
      'tenant_keys',
      'audit_keys',
      'members',
      'sites',
      'jobs',
      'facts_hourly',
      'facts_daily',
      'facts_top',
    ]) {
      expect([table, await rowsIn(table)]).toEqual([table, 0])
    }
    await untilFlushed()
    await verify()
    const certificate = await certificateIn((await remove('any name')).body.certificate)
    expect(certificate).toMatchObject({
      origin: shreddingOriginOf(stack.log.name, agency.tenantId),
      at,
      backupsUntil: at + BACKUP_WINDOW_MS,
      lastSeq: last?.seq,
      chainHead: last?.hash,
      inventory: { deks: [{ version: 1 }], audit_keys: [{ version: 1 }], credentials: { count: 2 } },
    })
    expect(await (await bucketed(shreddingKey(agency.tenantId)))?.text()).toBe(
      (await remove('any name')).body.certificate,
    )

    // End to end, by whoever has the rows; and what was exported before still holds and is where the log begins.
    const rows = await storedRows()
    const chain = new ChainVerifier(agency.tenantId)
    for (const row of rows) expect(chain.feed(row)).toBeNull()
    const after = await checkpointOf(newestReceiptKey(agency.tenantId))
    expect([after.size, after.root]).toEqual([certificate.lastSeq, certificate.root])
    expect(await exported.report()).toMatchObject({ ok: true, anchored: true })
    const proof = consistencyOf(rows, before.size)
    expect(
      verifyConsistency({ from: before.size, to: after.size, fromRoot: before.root, toRoot: after.root, proof }),
    ).toBe(true)
    await verify()
    expect(await incidents()).toEqual([])
  })

  it('L1 T6 gives no key, no share and no row to any door, and is polled no more', async () => {
    const [job] = await stack.sql`
      insert into flarewatch.jobs (tenant_id, credential_id, lease_until, created_at)
      values (${agency.tenantId}, ${agency.credentialId}, ${new Date(stack.now + 900_000)}, ${new Date(stack.now)}) returning id`
    // Broken off after the shares are gone: everything else is still there.
    await brokenOffAt('erasure')
    const ledger = await ledgerOf(stack, agency.tenantId)
    const refused = { ok: false, code: 'tenant_shredded' }
    expect(await ledger.auditShare(agency.tenantId)).toEqual(refused)
    await stack.sql`update flarewatch.jobs set state = 'leased', run_state = null, finished_at = null where id = ${job?.id}`
    await stack.sql`update flarewatch.credentials set state = 'active' where id = ${agency.credentialId}`
    await untilFlushed()
    const head = await ledger.head()
    const connector = await stack.miniflare.getWorker('flarewatch-connector')
    const body = { job_id: job?.id, credential_id: agency.credentialId }
    await connector.queue('flarewatch-ingest', [{ id: 'one', timestamp: new Date(stack.now), body, attempts: 1 }])
    const [ended] = await stack.sql`select state, reason from flarewatch.jobs where id = ${job?.id}`
    expect(ended).toEqual({ state: 'failed', reason: 'ledger_refused' })
    expect(await ledger.head()).toEqual(head)
    for (const op of ['dek-rotate', 'tenant-unfreeze'] as const) {
      expect((await stack.operatorCall(op, { tenant_id: agency.tenantId })).code).not.toBeNull()
    }
    expect(await ledger.head()).toMatchObject({ seq: head.seq })
    await stack.sql`update flarewatch.credentials set state = 'parked', next_poll_at = ${new Date(stack.now)} where tenant_id = ${agency.tenantId}`
    const due = await stack.sql`select credential_id from flarewatch.claim_due(${new Date(stack.now)}, 900, 100)`
    expect(due.filter(({ credential_id }) => agency.credentialIds.includes(credential_id))).toEqual([])
    await remove()
  })

  it('is none while the name is wrong or there is no such tenant', async () => {
    expect(await remove('agency')).toMatchObject({ status: 409, code: 'name_mismatch' })
    const unknown = { tenant_id: crypto.randomUUID(), confirm: 'Agency' }
    expect(await stack.operatorCall('tenant-delete', unknown)).toMatchObject({ status: 404, code: 'tenant_unknown' })
    expect(await rowsIn('credentials')).toBe(2)
    expect(await (await ledgerOf(stack, agency.tenantId)).shredding()).toBeNull()
  })
})

describe('V2: a deletion that was broken off', () => {
  const steps: readonly (readonly [when: string, step: string, hasShares: boolean])[] = [
    ['before the last row', 'inventory', true],
    ['between the shares and the rows', 'erasure', false],
  ]
  it.each(steps)(
    '%s is completed by the same command, and never comes back to life in between',
    async (_when, step, hasShares) => {
      await brokenOffAt(step)
      expect(await rowsIn('members')).toBe(0)
      expect((await stack.sql`select state from flarewatch.tenants where id = ${agency.tenantId}`)[0]).toEqual({
        state: 'deleting',
      })
      expect((await (await ledgerOf(stack, agency.tenantId)).shredding()) === null).toBe(hasShares)
      await untilFlushed()
      await verify()
      expect(await incidents()).toEqual([])
      stack.now += 61 * 60_000
      await verify()
      expect(await incidents()).toEqual(['deletion_unfinished'])
      expect(await remove()).toMatchObject({ status: 200, body: { state: 'deleted' } })
      await untilFlushed()
      await verify()
      const { certificate } = (await remove()).body
      expect((await certificateIn(certificate)).lastSeq).toBe((await rowsOf()).at(-1)?.seq)
      expect((await rowsOf()).at(-1)?.seq).toBe(2)
    },
  )

  it('by several calls at once is one deletion', async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => remove()))
    expect(new Set(answers.map(({ body }) => `${body.last_seq} ${body.chain_head} ${body.shredded_at}`)).size).toBe(1)
    expect(await remove()).toMatchObject({ body: { state: 'deleted', last_seq: 2 } })
  })
})

describe('L2 T3: what a superuser does to a deleted tenant', () => {
  type Tampering = readonly [what: string, kind: string, act: () => Promise<unknown>]
  const tamperings: readonly Tampering[] = [
    [
      'removes its rows',
      'tail_truncated',
      () =>
        withoutTriggers(
          stack.sql,
          () => stack.sql`delete from flarewatch.audit_log where tenant_id = ${agency.tenantId}`,
        ),
    ],
    [
      'cuts off the deletion',
      'tail_truncated',
      () =>
        withoutTriggers(
          stack.sql,
          () => stack.sql`delete from flarewatch.audit_log where tenant_id = ${agency.tenantId} and seq = 2`,
        ),
    ],
    [
      'removes the tenant',
      'tenant_missing',
      () =>
        withoutTriggers(stack.sql, async () => {
          await stack.sql`delete from flarewatch.audit_log where tenant_id = ${agency.tenantId}`
          await stack.sql`delete from flarewatch.audit_heads where tenant_id = ${agency.tenantId}`
          await stack.sql`delete from flarewatch.tenants where id = ${agency.tenantId}`
        }),
    ],
    [
      'brings it back to life',
      'tenant_undeleted',
      () => stack.sql`
      update flarewatch.tenants set state = 'active', activated_at = now(), deleted_at = null, deleting_since = null where id = ${agency.tenantId}`,
    ],
    [
      'puts a wrap back',
      'tenant_undeleted',
      () => stack.sql`
      insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek) values (${agency.tenantId}, 1, 1, ${randomBytes(60)})`,
    ],
  ]
  it.each(tamperings)('%s: the verifier raises it', async (_what, kind, act) => {
    await remove()
    await untilFlushed()
    await verify()
    expect(await incidents()).toEqual([])
    await act()
    await verify()
    expect(await incidents()).toContain(kind)
  })

  it('a tenant that is said to be deleted and was not is raised too', async () => {
    await stack.sql`update flarewatch.tenants set state = 'deleted', deleting_since = now(), deleted_at = now() where id = ${agency.tenantId}`
    await verify()
    expect(await incidents()).toContain('deletion_unwitnessed')
    const listed = (await (await rosterOf(stack)).list(null)).entries.find(
      ({ tenantId }) => tenantId === agency.tenantId,
    )
    expect(listed).toMatchObject({ deletedAt: null })
    await stack.sql`update flarewatch.tenants set state = 'active', deleting_since = null, deleted_at = null where id = ${agency.tenantId}`
  })
})

/** What the vault may do in the step that a crash comes before. */
const NEEDED: Readonly<Record<string, string>> = {
  inventory: 'select (tenant_id, version, kek_version, wrapped_key) on flarewatch.audit_keys',
  erasure: 'execute on function flarewatch.erase_tenant',
}

async function brokenOffAt(step: string): Promise<void> {
  await stack.sql.unsafe(`revoke ${NEEDED[step]} from flarewatch_vault`)
  try {
    expect(await remove()).toMatchObject({ status: 503, code: 'store_unreachable' })
  } finally {
    await stack.sql.unsafe(`grant ${NEEDED[step]} to flarewatch_vault`)
  }
}

async function poll(): Promise<void> {
  const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
  await scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })
  while (
    (await stack.sql`select 1 from flarewatch.jobs where tenant_id = ${agency.tenantId} and state = 'leased'`).length >
    0
  )
    await sleep(100)
  expect(await rowsIn('facts_daily')).toBeGreaterThan(0)
  await untilFlushed()
}

async function untilFlushed(): Promise<void> {
  const ledger = await ledgerOf(stack, agency.tenantId)
  for (;;) {
    const { seq, flushedSeq } = await ledger.head()
    if (seq === flushedSeq) return
    await sleep(20)
  }
}

async function rowsOf(): Promise<AuditRow[]> {
  return (await ledgerOf(stack, agency.tenantId)).rowsFrom(1, 500)
}

/** As Postgres has them: the other side of what the ledger says. */
async function storedRows(): Promise<AuditRow[]> {
  const rows = await stack.sql`select * from flarewatch.audit_log where tenant_id = ${agency.tenantId} order by seq`
  return rows.map((row) => ({
    tenantId: agency.tenantId,
    epoch: row.epoch,
    seq: Number(row.seq),
    rowId: row.row_id,
    at: row.at.getTime(),
    keyVersion: row.key_version,
    previousHash: new Uint8Array(row.previous_hash),
    actorTag: new Uint8Array(row.actor_tag),
    actionTag: new Uint8Array(row.action_tag),
    targetTag: new Uint8Array(row.target_tag),
    sealed: new Uint8Array(row.sealed),
    hash: new Uint8Array(row.hash),
  }))
}

async function bucketed(key: string) {
  return (await stack.miniflare.getR2Bucket('RECEIPTS', 'flarewatch-verifier')).get(key)
}

async function checkpointOf(key: string): Promise<Checkpoint> {
  const opened = await openNote((await (await bucketed(key))?.text()) ?? '', [stack.log])
  const checkpoint = opened.ok ? parseCheckpoint(opened.value.text) : opened
  if (!checkpoint.ok) throw new Error(checkpoint.code)
  return checkpoint.value
}

async function certificateIn(note: unknown): Promise<ShreddingCertificate> {
  const opened = await openNote(String(note), [stack.log])
  const certificate = opened.ok ? parseShredding(opened.value.text) : opened
  if (!certificate.ok) throw new Error(certificate.code)
  return certificate.value
}

/** A member's file of before the deletion, judged when a test asks. */
async function exportedLog({ size }: Checkpoint) {
  const note = (await (await bucketed(receiptKey(agency.tenantId, size)))?.text()) ?? ''
  const rows = (await storedRows()).filter(({ seq }) => seq <= size)
  const header = { tenantId: agency.tenantId, firstSeq: 1, previousHash: genesisHash(agency.tenantId), frontier: [] }
  const lines = [
    encodeExportLine({ kind: 'header', ...header }),
    ...rows.map((row) => encodeExportLine({ kind: 'row', row })),
    encodeExportLine({ kind: 'checkpoint', note }),
  ]
  return {
    report: async () => {
      const verifier = new ExportVerifier([stack.log])
      for (const line of lines) if (!verifier.feed(line.trimEnd())) break
      return verifier.finish()
    },
  }
}

function consistencyOf(rows: readonly AuditRow[], from: number): readonly Uint8Array[] {
  const tree = new MerkleTree()
  for (const { hash } of rows) tree.append(hash)
  return tree.consistencyProof(from)
}
