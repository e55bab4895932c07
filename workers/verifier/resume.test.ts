import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { TenantId } from '../../domain/contracts/ids.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { newestReceiptKey, receiptKey, verificationKey } from '../../domain/contracts/receipt-store.ts'
import { type TamperedChain, withoutTriggers } from '../../local/stands/audit-tampering.ts'
import { LOG_NAME, startVerifierStand, type VerifierStand } from '../../local/stands/verifier-stand.ts'
import { connect, type Sql } from '../runtime/database.ts'
import type { Instruments, Limits } from './instruments.ts'
import { consumeVerify } from './verify.queue.ts'

/** So small that a short log takes many steps, and receipts many pages. */
const SMALL: Limits = { walkedRows: 7, signedRows: 5, receipts: 2, steps: 1000 }
const ROWS = 13

let stand: VerifierStand
let sql: Sql
let bucket: R2Bucket

beforeAll(async () => {
  stand = await startVerifierStand()
  sql = connect({ connectionString: stand.database.urlFor('flarewatch_verifier') } as Hyperdrive)
  bucket = (await stand.bucket()) as unknown as R2Bucket
})

afterAll(async () => {
  await sql?.end()
  await stand?.stop()
})

describe('L4: a night that does not fit into one invocation', () => {
  it('is walked in steps of bounded length, each from where the last one was saved', async () => {
    const { tenantId } = await stand.grownTenant(ROWS)
    const positions: number[] = []
    await work(night(tenantId), {
      bucket: watched(bucket, async (key) => {
        if (key === verificationKey(tenantId))
          positions.push((await savedState(tenantId)).walking?.position.seq ?? ROWS)
      }),
    })
    expect(positions).toEqual([7, 13])
    expect(await nightsOf(tenantId)).toEqual([{ size: ROWS, sound: true }])
    expect(await sizesOf(tenantId)).toEqual([5, 10, 13])
    expect((await stand.publishedReceipt(tenantId)).checkpoint.size).toBe(ROWS)
    expect(await stand.incidentsOf(tenantId)).toEqual([])
  })

  it('compares every earlier receipt on both sides, page by page, however many there are', async () => {
    const { tenantId } = await signedTenant()
    await work(night(tenantId))
    expect(await nightsOf(tenantId)).toEqual([{ size: ROWS, sound: true }])
    expect(await stand.incidentsOf(tenantId)).toEqual([])
  })

  // One write of the position in mid-walk and one at its end; tile, receipt and pointer for each of two receipts.
  const writes = [1, 2, 3, 4, 5, 6, 7, 8]
  it.each(['before', 'after'] as const)(
    'killed %s anything that it writes, ends as one that was not: one receipt a size, nothing signed twice',
    async (when) => {
      const tenants = await Promise.all([...writes, 0].map(() => stand.grownTenant(8)))
      const survive = async ({ tenantId }: TamperedChain, index: number) => {
        const write = writes[index] ?? writes.length + 1
        const { left, killed } = await killedAt(night(tenantId), write, when)
        expect(killed).toBe(write <= writes.length)
        const signed = await notesOf(tenantId)
        for (const message of left) await work(message)
        expect(await nightsOf(tenantId)).toEqual([{ size: 8, sound: true }])
        expect(await stand.incidentsOf(tenantId), `at write ${write}`).toEqual([])
        const notes = await notesOf(tenantId)
        expect([...notes.keys()]).toEqual([5, 8])
        // What was signed before the kill is what stands, and both sides have the same.
        for (const [size, note] of signed) expect(notes.get(size)).toBe(note)
        for (const [size, note] of notes) expect(await textOf(receiptKey(tenantId, size))).toBe(note)
      }
      await Promise.all(tenants.map(survive))
    },
  )

  it('walked by two at once is counted once', async () => {
    const { tenantId } = await signedTenant()
    await Promise.all([work(night(tenantId)), work(night(tenantId))])
    expect(await nightsOf(tenantId)).toEqual([{ size: ROWS, sound: true }])
    expect(await stand.incidentsOf(tenantId)).toEqual([])
  })

  it('goes through the queue of the running Worker', async () => {
    const { tenantId } = await stand.grownTenant(3)
    await stand.send(night(tenantId))
    await expect.poll(() => nightsOf(tenantId), { timeout: 10_000 }).toEqual([{ size: 3, sound: true }])
    await expect.poll(() => sizesOf(tenantId), { timeout: 10_000 }).toEqual([3])
  })

  it('is retried when a part does not answer, and drops a message that it did not send', async () => {
    const { tenantId } = await stand.grownTenant(2)
    const silent = { head: () => Promise.reject(new Error('unreachable')) }
    const tools = await toolsFor({ ledgerOf: () => silent as never })
    const acts: string[] = []
    const message = (body: unknown) => ({
      body,
      ack: () => void acts.push('ack'),
      retry: () => void acts.push('retry'),
    })
    await consumeVerify(tools, [message(night(tenantId)), message({ kind: 'night', log: 'x' }), message(null)])
    expect(acts).toEqual(['retry', 'ack', 'ack'])
    expect(await nightsOf(tenantId)).toEqual([])
  })
})

describe('L2: an attacker who wants rows passed over', () => {
  it('moves the saved position: it is believed in nothing, the walk begins anew and finds the row', async () => {
    const tenant = await signedTenant()
    await steps(night(tenant.tenantId), 2)
    await edit(tenant, 2)
    const stored = z
      .object({ state: z.string(), mac: z.string() })
      .parse(JSON.parse((await textOf(verificationKey(tenant.tenantId))) ?? ''))
    const state = stored.state.replace(/"passed":\d+/, '"passed":99')
    expect(state).not.toBe(stored.state)
    await bucket.put(verificationKey(tenant.tenantId), JSON.stringify({ ...stored, state }))
    await work(night(tenant.tenantId))
    expect(await kindsOf(tenant.tenantId)).toEqual(['row_edited', 'verification_forged'])
    expect(await nightsOf(tenant.tenantId)).toEqual([{ size: 1, sound: false }])
  })

  it('puts another log’s position in its place: a position is of one log', async () => {
    const [one, other] = [await signedTenant(), await signedTenant()]
    await work(night(one.tenantId))
    await bucket.put(verificationKey(other.tenantId), (await textOf(verificationKey(one.tenantId))) ?? '')
    await work(night(other.tenantId))
    expect(await kindsOf(other.tenantId)).toEqual(['verification_forged'])
    expect(await nightsOf(other.tenantId)).toEqual([{ size: ROWS, sound: true }])
  })

  it('writes into Postgres that the night was sound: that is read by people, not by the verifier', async () => {
    const tenant = await signedTenant()
    const due = new Date(NIGHT)
    await stand.superuser`
      insert into flarewatch.verification_runs (log, due_at, started_at, finished_at, size, sound)
      values (${tenant.tenantId}, ${due}, ${due}, ${due}, ${ROWS}, true)`
    await edit(tenant, 11)
    await work(night(tenant.tenantId))
    expect(await stand.incidentsOf(tenant.tenantId)).toEqual([{ kind: 'row_edited', seq: 11 }])
  })

  it('gets no further receipt out of a chain that was found wrong, until a night finds it sound', async () => {
    const tenant = await signedTenant()
    const before = await edit(tenant, 3)
    await work(night(tenant.tenantId))
    await stand.append(tenant.tenantId, ROWS, 2)
    await work(moved(tenant.tenantId))
    expect((await stand.publishedReceipt(tenant.tenantId)).checkpoint.size).toBe(ROWS)
    await restore(tenant, 3, before)
    await work({ ...night(tenant.tenantId), due_at: NIGHT + 1 })
    expect((await stand.publishedReceipt(tenant.tenantId)).checkpoint.size).toBe(ROWS + 2)
  })

  it('changes a row that a receipt covers: the run every few minutes sees the last one, and says where it begins', async () => {
    const tenant = await signedTenant()
    await stand.append(tenant.tenantId, ROWS, 2)
    await edit(tenant, 4)
    await edit(tenant, ROWS)
    await work(moved(tenant.tenantId), { limits: { ...SMALL, walkedRows: 1000, receipts: 100 } })
    expect(await stand.incidentsOf(tenant.tenantId)).toEqual([{ kind: 'row_edited', seq: 4 }])
  })
})

describe('L2, L4: a receipt that is not the same on both sides', () => {
  it.each<[string, (log: TenantId) => Promise<unknown>, { kind: string; seq: number }]>([
    [
      'is gone from Postgres',
      (log) => stand.superuser`delete from flarewatch.receipts where log = ${log} and size = 10`,
      { kind: 'receipt_missing', seq: 10 },
    ],
    ['is gone from the bucket', (log) => bucket.delete(receiptKey(log, 10)), { kind: 'receipt_missing', seq: 10 }],
    [
      'is another in the bucket',
      (log) => bucket.put(receiptKey(log, 5), 'another'),
      { kind: 'receipt_inconsistent', seq: 5 },
    ],
    [
      'was never published, and stands in Postgres',
      (log) => stand.superuser`
      insert into flarewatch.receipts select log, 7, root, chain_head, note, at from flarewatch.receipts where log = ${log} and size = 5`,
      { kind: 'receipt_missing', seq: 7 },
    ],
    [
      'has other columns than its note',
      (log) => stand.superuser`
      update flarewatch.receipts set chain_head = sha256('forged') where log = ${log} and size = 10`,
      { kind: 'receipt_inconsistent', seq: 10 },
    ],
    [
      'is the newest, and gone from Postgres',
      (log) => stand.superuser`delete from flarewatch.receipts where log = ${log} and size = ${ROWS}`,
      { kind: 'receipt_missing', seq: ROWS },
    ],
  ])('%s: the night names it', async (_what, tamper, expected) => {
    const { tenantId } = await signedTenant()
    await tamper(tenantId)
    await work(night(tenantId))
    expect(await stand.incidentsOf(tenantId)).toEqual([expected])
    expect(await nightsOf(tenantId)).toMatchObject([{ sound: false }])
  })

  it('is hidden from the walk after it was compared: the walk met fewer than both sides have', async () => {
    const { tenantId } = await signedTenant()
    // Two pages of names, the last together with the first rows.
    await steps(night(tenantId), 2)
    await stand.superuser`delete from flarewatch.receipts where log = ${tenantId} and size = 10`
    await work(night(tenantId))
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'receipt_missing', seq: null }])
  })

  it('is the newest, and gone from Postgres: the run every few minutes signs nothing on it', async () => {
    const { tenantId } = await signedTenant()
    await stand.superuser`delete from flarewatch.receipts where log = ${tenantId} and size = ${ROWS}`
    await stand.append(tenantId, ROWS, 1)
    await work(moved(tenantId))
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'receipt_missing', seq: ROWS }])
    expect(await sizesOf(tenantId)).toEqual([5, 10])
  })

  it('has tiles that are not its own: nothing is signed on them', async () => {
    const { tenantId } = await signedTenant()
    await bucket.put(`tiles/${tenantId}/0/0.p/${ROWS}`, new Uint8Array(ROWS * 32))
    await stand.append(tenantId, ROWS, 1)
    await work(moved(tenantId))
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'receipt_inconsistent', seq: ROWS }])
    expect(await textOf(newestReceiptKey(tenantId))).toBe((await notesOf(tenantId)).get(ROWS))
  })
})

const NIGHT = Date.now()

function night(log: TenantId): VerifyMessage {
  return { kind: 'night', log, due_at: NIGHT }
}

function moved(log: TenantId): VerifyMessage {
  return { kind: 'moved', log, due_at: NIGHT }
}

/** A log with receipts at 5, 10 and 13 rows. */
async function signedTenant(): Promise<TamperedChain> {
  const tenant = await stand.grownTenant(ROWS)
  await work(moved(tenant.tenantId))
  return tenant
}

type Queue = { readonly messages: VerifyMessage[]; readonly tools: Instruments }

async function toolsFor(changed: Partial<Instruments>, queued: VerifyMessage[] = []): Promise<Instruments> {
  return {
    sql,
    bucket,
    ledgerOf: await stand.ledgers(),
    roster: await stand.roster(),
    signer: { signer: stand.signer, logName: LOG_NAME },
    at: new Date(),
    limits: SMALL,
    enqueue: async (messages) => void queued.push(...messages),
    ...changed,
  }
}

async function queueOf(message: VerifyMessage, changed: Partial<Instruments> = {}): Promise<Queue> {
  const messages = [message]
  return { messages, tools: await toolsFor(changed, messages) }
}

/** Consumes as the queue does, one message after another. */
async function work(message: VerifyMessage, changed: Partial<Instruments> = {}): Promise<void> {
  const queue = await queueOf(message, changed)
  while (queue.messages.length > 0) await consumeNext(queue)
}

async function steps(message: VerifyMessage, count: number): Promise<void> {
  const queue = await queueOf(message)
  for (let step = 0; step < count; step += 1) await consumeNext(queue)
}

/** A message that was not acknowledged stays in the queue. */
async function consumeNext({ messages, tools }: Queue): Promise<boolean> {
  const body = messages.shift()
  let acknowledged = false
  const ack = () => {
    acknowledged = true
  }
  await consumeVerify(tools, [{ body, ack, retry: () => {} }])
  if (!acknowledged && body !== undefined) messages.unshift(body)
  return acknowledged
}

/** Works until the `at`-th write to the bucket, at which the invocation dies: before it is done or before it is answered. */
async function killedAt(
  message: VerifyMessage,
  at: number,
  when: 'before' | 'after',
): Promise<{ readonly left: readonly VerifyMessage[]; readonly killed: boolean }> {
  let writes = 0
  const die = () => {
    writes += 1
    if (writes === at) throw new Error('killed')
  }
  const dying = new Proxy(bucket, {
    get: (target, name) => {
      if (name !== 'put') return Reflect.get(target, name)
      return async (...args: Parameters<R2Bucket['put']>) => {
        if (when === 'before') die()
        const written = await target.put(...args)
        if (when === 'after') die()
        return written
      }
    },
  })
  const queue = await queueOf(message, { bucket: dying })
  while (queue.messages.length > 0) if (!(await consumeNext(queue))) return { left: queue.messages, killed: true }
  return { left: [], killed: false }
}

function watched(target: R2Bucket, seen: (key: string) => Promise<void>): R2Bucket {
  return new Proxy(target, {
    get: (inner, name) => {
      if (name !== 'put') return Reflect.get(inner, name)
      return async (...args: Parameters<R2Bucket['put']>) => {
        const written = await inner.put(...args)
        await seen(args[0])
        return written
      }
    },
  })
}

const Saved = z.object({ walking: z.object({ position: z.object({ seq: z.number() }) }).nullable() })

async function savedState(log: TenantId): Promise<z.output<typeof Saved>> {
  const { state } = z.object({ state: z.string() }).parse(JSON.parse((await textOf(verificationKey(log))) ?? ''))
  return Saved.parse(JSON.parse(state))
}

async function textOf(key: string): Promise<string | null> {
  return (await (await bucket.get(key))?.text()) ?? null
}

async function nightsOf(log: TenantId) {
  const rows =
    await stand.superuser`select size, sound from flarewatch.verification_runs where log = ${log} order by due_at`
  return rows.map(({ size, sound }) => ({ size: Number(size), sound }))
}

async function notesOf(log: TenantId): Promise<Map<number, string>> {
  const rows = await stand.superuser`select size, note from flarewatch.receipts where log = ${log} order by size`
  return new Map(rows.map(({ size, note }) => [Number(size), String(note)]))
}

async function sizesOf(log: TenantId): Promise<number[]> {
  return [...(await notesOf(log)).keys()]
}

async function kindsOf(log: TenantId): Promise<string[]> {
  return (await stand.incidentsOf(log)).map(({ kind }) => kind).sort()
}

/** Changes a row's content; answers what stood there. */
async function edit({ tenantId, rows }: TamperedChain, seq: number): Promise<Uint8Array> {
  await withoutTriggers(
    stand.superuser,
    () => stand.superuser`
      update flarewatch.audit_log set sealed = set_byte(sealed, 9, 255 - get_byte(sealed, 9)) where tenant_id = ${tenantId} and seq = ${seq}`,
  )
  return rows[seq - 1]?.sealed ?? new Uint8Array()
}

async function restore({ tenantId }: TamperedChain, seq: number, sealed: Uint8Array): Promise<void> {
  await withoutTriggers(
    stand.superuser,
    () =>
      stand.superuser`update flarewatch.audit_log set sealed = ${sealed} where tenant_id = ${tenantId} and seq = ${seq}`,
  )
}
