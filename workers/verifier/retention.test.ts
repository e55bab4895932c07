import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { epochOf } from '../../domain/audit/row.ts'
import { AuditProofResponse, ErrorBody, ReceiptsResponse } from '../../domain/contracts/api.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { hashLeaf, verifyConsistency, verifyInclusion } from '../../domain/merkle/tree.ts'
import { hoursKeptFrom } from '../../domain/metrics/retention.ts'
import { hashCertificateText } from '../../domain/note/epoch-certificate.ts'
import { CERTIFICATE_TAMPERINGS } from '../../local/stands/certificate-tampering.ts'
import { decoded, PublishedLog } from '../../local/stands/published-log.ts'
import { type RetentionStand, startRetentionStand } from '../../local/stands/retention-stand.ts'
import { connect, type Sql } from '../runtime/database.ts'
import { LIMITS } from './instruments.ts'
import { walkNight } from './night.ts'
import { type RetentionTools, retain } from './retention.ts'

/** Two years, lived in seconds: the clock is an argument of everything that decides. Months are counted from this one. */
const FIRST = -24
const TODAY = new Date()
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const monthStart = (offset: number) => Date.UTC(TODAY.getUTCFullYear(), TODAY.getUTCMonth() + offset, 1)
const epochAt = (offset: number) => epochOf(monthStart(offset))
const nightOf = (offset: number) => monthStart(offset) + 2.25 * HOUR_MS
/** The newest month that is past its retention on the first of this one. */
const LAST_PRUNED = -13

type Agency = { readonly tenant: TenantId; readonly owner: string }
let stand: RetentionStand
/** Rows in every month; in some months with many between; in the first two; one row, ever. */
let steady: Agency
let sparse: Agency
let quiet: Agency
let single: Agency

beforeAll(async () => {
  stand = await startRetentionStand()
  ;[steady, sparse, quiet] = [
    await stand.bear(monthStart(FIRST) + MINUTE_MS),
    await stand.bear(monthStart(FIRST) + MINUTE_MS),
    await stand.bear(monthStart(FIRST) + MINUTE_MS),
  ]
  for (let month = FIRST; month <= 0; month += 1) await live(month)
}, 300_000)
afterAll(() => stand?.stop())

async function live(month: number): Promise<void> {
  const times = (count: number, from: number) =>
    Array.from({ length: count }, (_, at) => monthStart(month) + (from + at / 10) * MINUTE_MS)
  if (month === FIRST + 1) single = await stand.bear(monthStart(month) + MINUTE_MS)
  // More than a tile holds, so that the pruned part of the tree has whole tiles and unfinished ones.
  await stand.append(steady.tenant, times(month === FIRST + 2 ? 280 : 2, 2))
  if (month < FIRST + 2) await stand.append(quiet.tenant, times(2, 2))
  if ([FIRST + 1, FIRST + 4, -10, 0].includes(month)) await stand.append(sparse.tenant, times(3, 2))
  if (month % 4 === 0) {
    expect(await stand.fire('nightly', monthStart(month) + HOUR_MS)).toBe('ok')
    await stand.append(steady.tenant, times(1, 61))
  }
  expect(await stand.fire('nightly', nightOf(month))).toBe('ok')
  expect(await stand.fire('retention', nightOf(month) + 1.5 * HOUR_MS)).toBe('ok')
}

describe('L5: after two years', () => {
  it('one year of months is left, and nobody has raised an alarm', async () => {
    const epochs = await partitions()
    expect(epochs[0]).toBe(epochAt(LAST_PRUNED + 1))
    expect(epochs).toContain(epochAt(2))
    expect((await stand.superuser`select kind, tenant_id, detail from flarewatch.incidents`).slice()).toEqual([])
    // Of hours, the month that 90 days ago lies in, and those after it; of days, all.
    const leaves = (
      await stand.superuser`
      select inhrelid::regclass::text as name from pg_inherits where inhparent::regclass::text like 'flarewatch.facts_%' order by 1`
    ).map(({ name }) => String(name))
    const firstHours = epochOf(hoursKeptFrom(nightOf(0)))
    expect(leaves.find((name) => name.startsWith('flarewatch.facts_hourly'))).toBe(
      `flarewatch.facts_hourly_${firstHours}`,
    )
    expect(leaves).toContain(`flarewatch.facts_daily_${epochAt(FIRST)}`)
  })

  it.each([
    ['a row each month', () => steady, [-24, -23, -22, -21, -20, -19, -18, -17, -16, -15, -14, -13]],
    ['months without a row', () => sparse, [-24, -23, -20]],
    ['nothing for more than a year', () => quiet, [-24, -23]],
    ['one row in all', () => single, [-23]],
  ])(
    'a tenant with %s has a certificate for each epoch that had rows, in both stores, each naming the one before',
    async (_, agency, months) => {
      const { tenant } = agency()
      const certificates = await logOf(tenant).certificates()
      expect(certificates.map(({ epoch }) => epoch)).toEqual(months.map(epochAt))
      for (const [at, certificate] of certificates.entries()) {
        const before = certificates[at - 1]
        expect(certificate.firstSeq).toBe((before?.lastSeq ?? 0) + 1)
        expect(certificate.previous).toEqual(before === undefined ? null : hashCertificateText(before.text))
      }
      const stored = await stand.superuser`
      select epoch, last_seq, note from flarewatch.epoch_certificates where log = ${tenant} order by epoch`
      expect(stored.map(({ epoch, last_seq, note }) => [epoch, Number(last_seq), note])).toEqual(
        certificates.map(({ epoch, lastSeq, note }) => [epoch, lastSeq, note]),
      )
      const [first] =
        await stand.superuser`select min(seq) as seq from flarewatch.audit_log where tenant_id = ${tenant}`
      if (first?.seq !== null) expect(Number(first?.seq)).toBe((certificates.at(-1)?.lastSeq ?? 0) + 1)
    },
  )

  it('every receipt that was ever signed still leads to its epoch’s certificate and to the newest receipt', async () => {
    const { tenant } = steady
    const log = logOf(tenant)
    const [newest, certificates, sizes] = [await log.newest(), await log.certificates(), await receiptSizes(tenant)]
    expect(sizes.filter((size) => size <= (certificates.at(-1)?.lastSeq ?? 0)).length).toBeGreaterThan(12)
    for (const size of sizes) {
      const receipt = await log.receipt(size)
      const closing = certificates.find(({ firstSeq, lastSeq }) => firstSeq <= size && size <= lastSeq)
      for (const to of [newest, ...(closing === undefined ? [] : [{ size: closing.lastSeq, root: closing.root }])]) {
        const proof = await log.consistency(size, to.size)
        const roots = { fromRoot: receipt.root, toRoot: to.root }
        expect(verifyConsistency({ from: size, to: to.size, ...roots, proof }), `${size} to ${to.size}`).toBe(true)
      }
    }
  })

  it('the receipts and the proof of a row name the certificate, and a pruned row is said to be pruned', async () => {
    const { tenant, owner } = steady
    const last = (await logOf(tenant).certificates()).at(-1)
    const pruned = {
      through_seq: last?.lastSeq,
      epoch: epochAt(LAST_PRUNED),
      url: `${stand.origin}/receipts/${tenant}/epochs/${epochAt(LAST_PRUNED)}`,
    }
    const receipts = ReceiptsResponse.parse(await (await stand.ask('/api/receipts', owner)).json())
    expect(receipts.pruned).toEqual(pruned)
    const seq = (last?.lastSeq ?? 0) + 1
    const proof = AuditProofResponse.parse(await (await stand.ask(`/api/audit/rows/${seq}/proof`, owner)).json())
    expect(proof.pruned).toEqual(pruned)
    const { size, root } = await logOf(tenant).open(proof.checkpoint)
    const path = proof.proof.map(decoded)
    expect(
      verifyInclusion({ index: seq - 1, size, root, leafHash: hashLeaf(decoded(proof.row_hash)), proof: path }),
    ).toBe(true)
    for (const [path, status, body] of [
      [`/receipts/${crypto.randomUUID()}/epochs`, 200, ''],
      [`/receipts/${tenant}/epochs/209901`, 404, null],
      [`/receipts/${tenant}/epochs/20251`, 404, null],
    ] as const) {
      const answer = await stand.ask(path)
      expect([path, answer.status]).toEqual([path, status])
      if (body !== null) expect(await answer.text()).toBe(body)
    }
    for (const [row, status, code] of [
      [1, 410, 'row_pruned'],
      [seq - 1, 410, 'row_pruned'],
      [100_000, 404, 'not_found'],
    ] as const) {
      const answer = await stand.ask(`/api/audit/rows/${row}/proof`, owner)
      expect([answer.status, ErrorBody.parse(await answer.json()).error.code]).toEqual([status, code])
    }
  })

  it.each([
    ['of what remains', () => steady],
    ['of which nothing remains', () => quiet],
    ['with months without a row', () => sparse],
  ])('L6: an export %s verifies offline by both verifiers, and names the certificate', async (_, agency) => {
    const { tenant, owner } = agency()
    const last = (await logOf(tenant).certificates()).at(-1)
    const [newest] = (await receiptSizes(tenant)).slice(-1)
    const file = join(stand.dir, `${tenant}.ndjson`)
    writeFileSync(file, await (await stand.ask('/api/audit/export', owner)).text())
    const through = last?.lastSeq ?? 0
    const rows = (newest ?? 0) - through
    for (const command of VERIFIERS) {
      const { status, stdout } = spawnSync(
        command[0] ?? '',
        [...command.slice(1), file, '--trust', stand.vkey, '--json'],
        {
          encoding: 'utf8',
        },
      )
      expect([status, JSON.parse(stdout)], command.join(' ')).toMatchObject([
        0,
        { ok: true, anchored: true, rows, certificate: { epoch: last?.epoch, last_seq: through } },
      ])
    }
  })

  it('a tenant of whom only certificates remain goes on where it was, also when its ledger compares the two sides anew', async () => {
    const resting = [quiet.tenant, single.tenant]
    const sizes = await Promise.all(resting.map(async (tenant) => (await stand.ledgerOf(tenant).head()).seq))
    await stand.superuser`revoke insert on flarewatch.audit_log from flarewatch_ledger`
    const appended = resting.map((tenant) => stand.append(tenant, [nightOf(0) + 4 * HOUR_MS]))
    await sleep(300)
    await stand.superuser`
      grant insert (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed,
        hash) on flarewatch.audit_log to flarewatch_ledger`
    await Promise.all(appended)
    expect(await stand.fire('nightly', nightOf(0) + 24 * HOUR_MS)).toBe('ok')
    for (const [at, tenant] of resting.entries()) {
      expect((await logOf(tenant).newest()).size).toBe((sizes[at] ?? 0) + 1)
      const kinds = await stand.superuser`select kind from flarewatch.incidents where tenant_id = ${tenant}`
      expect(kinds.slice()).toEqual([])
    }
  })
})

describe('L5: a run that breaks off', () => {
  const next = { at: new Date(nightOf(1) + 1.5 * HOUR_MS), epoch: epochAt(LAST_PRUNED + 1) }

  it('is taken up by the next: certificates are made once, nothing is dropped before all are stored', async () => {
    const tools = await retentionTools(next.at)
    await withDatabase(async (sql) => {
      const inBucketOnly = await retain({ ...tools, sql, bucket: breakingAfterCertificate(tools.bucket) })
      expect(inBucketOnly).toMatchObject({ dropped: [], held: [{ epoch: next.epoch, code: 'failed' }] })
      const { note } = await logOf(steady.tenant).certificate(next.epoch)
      expect(await certified(next.epoch)).toEqual([])

      await expect(retain({ ...tools, sql: breakingAt(sql, 'drop_month') })).rejects.toThrow('broken off')
      expect(await certified(next.epoch)).toEqual([note])
      expect(await partitions()).toContain(next.epoch)
      // Rows and certificate stand side by side, and agree.
      expect(await stand.fire('nightly', nightOf(1))).toBe('ok')

      expect(await retain({ ...tools, sql })).toEqual({ certified: 0, dropped: [next.epoch], held: [] })
      expect(await partitions()).not.toContain(next.epoch)
      expect(await retain({ ...tools, sql })).toEqual({ certified: 0, dropped: [], held: [] })
    })
    expect(await stand.fire('nightly', nightOf(1) + HOUR_MS)).toBe('ok')
    expect(await incidentsOf(steady.tenant)).toEqual([])
  })
})

describe('L5: an epoch that leaves while a night is walked', () => {
  it('is passed by the next step, and by whoever looked just before it left: nobody is accused', async () => {
    const { tenant } = steady
    const dueAt = nightOf(2)
    const due = epochAt(LAST_PRUNED + 2)
    await withDatabase(async (sql) => {
      const tools = { ...(await retentionTools(new Date(dueAt))), sql }
      const walking = { ...tools, ledgerOf: stand.ledgerOf, roster: stand.roster, enqueue: async () => {} }
      const night = { ...walking, limits: { ...LIMITS, walkedRows: 1 } }
      const known = { tenantId: tenant, firstHash: null, enteredAt: null, deletedAt: null }
      expect(await walkNight(night, known, dueAt)).toEqual({ kind: 'more' })
      // The saved place lies in the month that goes now.
      expect(await retain(tools)).toMatchObject({ dropped: [due], held: [] })
      const steps = [await walkNight(night, known, dueAt)]
      while (steps.at(-1)?.kind === 'more') steps.push(await walkNight({ ...night, limits: LIMITS }, known, dueAt))
      expect(steps.at(-1)?.kind).toBe('sound')
    })
    expect(await incidentsOf(tenant)).toEqual([])
  })
})

describe('L5, T3: who tampers with what remains', () => {
  let night = nightOf(2) + 24 * HOUR_MS
  const nextNight = async () => {
    night += HOUR_MS
    await stand.fire('nightly', night)
  }

  it.each(CERTIFICATE_TAMPERINGS)(
    '%s: an incident names kind and sequence, nothing is signed, and it ends with the fault',
    async (_what, tamper) => {
      const { tenant } = steady
      const before = await incidentsOf(tenant)
      const epochs = [-3, -2, -1, 0].map((back) => epochAt(LAST_PRUNED + 2 + back))
      const [one = 0, two = 0, three = 0, four = 0] = epochs
      const stranger = { log: sparse.tenant, epoch: epochAt(-20) }
      const { expected, undo } = await tamper({ stand, log: tenant, epochs: [one, two, three, four], stranger })
      await stand.append(tenant, [night])
      const signed = await receiptSizes(tenant)
      await nextNight()
      expect((await incidentsOf(tenant)).slice(before.length)).toEqual([expected])
      expect(await receiptSizes(tenant)).toEqual(signed)
      await undo()
      await nextNight()
      expect(await incidentsOf(tenant)).toHaveLength(before.length + 1)
      expect((await logOf(tenant).newest()).size).toBe((signed.at(-1) ?? 0) + 1)
    },
  )

  it('a row of an epoch that is due was edited: the epoch is held, an incident says so, and nothing is dropped', async () => {
    const due = epochAt(LAST_PRUNED + 3)
    await flipBits(due)
    expect(await stand.fire('retention', nightOf(3) + 1.5 * HOUR_MS)).not.toBe('ok')
    expect(await partitions()).toContain(due)
    const held = await stand.superuser`
      select kind, tenant_id, detail from flarewatch.incidents where kind = 'epoch_held'`
    const detail = { epoch: String(due), code: 'chain_broken' }
    expect(held.slice()).toEqual([{ kind: 'epoch_held', tenant_id: steady.tenant, detail }])
    await flipBits(due)
  })

  it('a month is dropped without certificates: an incident names the first row that is missing', async () => {
    const before = await incidentsOf(steady.tenant)
    const seq = ((await logOf(steady.tenant).certificates()).at(-1)?.lastSeq ?? 0) + 1
    await stand.superuser.unsafe(`drop table flarewatch.audit_log_${epochAt(LAST_PRUNED + 3)}`)
    await nextNight()
    const missing = { kind: 'pruned_without_certificate', seq }
    expect((await incidentsOf(steady.tenant)).slice(before.length)).toEqual([missing])
    // Who had no rows in it misses none.
    expect(await incidentsOf(quiet.tenant)).toEqual([])
  })
})

/** The shipped command, and the verifier that was written from the format's description. */
const VERIFIERS = [
  [process.execPath, 'cli/flarewatch.mjs', 'audit', 'verify'],
  ...(spawnSync('python3', ['--version']).status === 0 ? [['python3', 'conformance/second-verifier/verify.py']] : []),
]

function logOf(log: TenantId): PublishedLog {
  return new PublishedLog(stand.origin, stand.signer, log)
}

async function receiptSizes(log: TenantId): Promise<number[]> {
  const rows = await stand.superuser`select size from flarewatch.receipts where log = ${log} order by size`
  return rows.map(({ size }) => Number(size))
}

async function partitions(): Promise<number[]> {
  const rows = await stand.superuser`
    select right(inhrelid::regclass::text, 6)::int as epoch from pg_inherits
    where inhparent = 'flarewatch.audit_log'::regclass order by 1`
  return rows.map(({ epoch }) => Number(epoch))
}

async function incidentsOf(tenant: TenantId): Promise<{ kind: string; seq: number | null }[]> {
  const rows = await stand.superuser`
    select kind, seq from flarewatch.incidents where tenant_id = ${tenant} and kind <> 'epoch_held' order by at, kind`
  return rows.map(({ kind, seq }) => ({ kind: String(kind), seq: seq === null ? null : Number(seq) }))
}

async function certified(epoch: number): Promise<string[]> {
  const rows = await stand.superuser`
    select note from flarewatch.epoch_certificates where log = ${steady.tenant} and epoch = ${epoch}`
  return rows.map(({ note }) => String(note))
}

async function retentionTools(at: Date): Promise<Omit<RetentionTools, 'sql'>> {
  return {
    bucket: stand.bucket as unknown as R2Bucket,
    signer: { signer: stand.signer, logName: stand.signer.name },
    at,
  }
}

async function withDatabase(work: (sql: Sql) => Promise<void>): Promise<void> {
  const sql = connect({ connectionString: stand.database.urlFor('flarewatch_verifier') } as Hyperdrive)
  await work(sql).finally(() => sql.end())
}

/** Stores a certificate, and is gone before it can say so. */
function breakingAfterCertificate(bucket: R2Bucket): R2Bucket {
  const put = async (...args: Parameters<R2Bucket['put']>) => {
    const stored = await bucket.put(...args)
    if (args[0].includes('/epochs/')) throw new Error('broken off')
    return stored
  }
  return { get: bucket.get.bind(bucket), list: bucket.list.bind(bucket), put } as unknown as R2Bucket
}

function breakingAt(sql: Sql, word: string): Sql {
  return new Proxy(sql, {
    apply: (target, self, args: Parameters<Sql>) => {
      if (String(args[0]).includes(word)) throw new Error('broken off')
      return Reflect.apply(target, self, args)
    },
  })
}

/** Changes sealed content as a superuser can; twice is never. */
async function flipBits(epoch: number): Promise<void> {
  const leaf = stand.superuser(`flarewatch.audit_log_${epoch}`)
  await stand.superuser`alter table ${leaf} disable trigger user`
  await stand.superuser`
    update ${leaf} set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) where tenant_id = ${steady.tenant}`
  for (const trigger of ['refuse_change', 'extend_chain']) {
    await stand.superuser`alter table ${leaf} enable always trigger ${stand.superuser(trigger)}`
  }
}
