import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../domain/audit/row.ts'
import type { AuditLedgerApi } from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { newestReceiptKey, tileKey } from '../../domain/contracts/receipt-store.ts'
import { consistencyProofFromTiles } from '../../domain/merkle/tiles.ts'
import { MerkleTree, verifyConsistency } from '../../domain/merkle/tree.ts'
import { TAMPERINGS, type TamperedChain, withoutTriggers } from '../../local/stands/audit-tampering.ts'
import {
  EVERY_FEW_MINUTES,
  LOG_NAME,
  NIGHTLY,
  startVerifierStand,
  type VerifierStand,
} from '../../local/stands/verifier-stand.ts'
import { connect } from '../runtime/database.ts'
import { LIMITS } from './instruments.ts'
import { verifyAll } from './verify.ts'

let stand: VerifierStand

beforeAll(async () => {
  stand = await startVerifierStand()
})

afterAll(() => stand?.stop())

describe('L4: the verifier, over a chain that is sound', () => {
  it('signs a checkpoint that an outside reader of signed notes opens, over exactly the stored rows', async () => {
    const { tenantId, rows } = await stand.grownTenant(7)
    expect(await stand.fire(NIGHTLY)).toBe('ok')
    const { text, checkpoint } = await stand.publishedReceipt(tenantId)
    expect(checkpoint).toMatchObject({ origin: `${LOG_NAME}/${tenantId}`, size: 7 })
    expect(checkpoint.root).toEqual(treeOf(rows).root())
    expect(checkpoint.chainHead).toEqual(rows.at(-1)?.hash)
    const stored = await stand.superuser`select size, note from flarewatch.receipts where log = ${tenantId}`
    expect(stored.map(({ size, note }) => [Number(size), note])).toEqual([[7, text]])
    expect(await stand.incidentsOf(tenantId)).toEqual([])
  })

  it('signs a size once, and a grown log anew, consistently', async () => {
    const tenant = await stand.grownTenant(3)
    await stand.fire(EVERY_FEW_MINUTES)
    const first = await stand.publishedReceipt(tenant.tenantId)
    await stand.fire(NIGHTLY)
    expect((await stand.publishedReceipt(tenant.tenantId)).text).toBe(first.text)

    const rows = [...tenant.rows, ...(await stand.append(tenant.tenantId, 3, 300))]
    await stand.fire(EVERY_FEW_MINUTES)
    const second = await stand.publishedReceipt(tenant.tenantId)
    expect(second.checkpoint).toMatchObject({ size: 303, root: treeOf(rows).root() })
    const bucket = await stand.bucket()
    const proof = await consistencyProofFromTiles(3, 303, async (tile) => {
      const stored = await bucket.get(tileKey(tenant.tenantId, tile))
      return new Uint8Array((await stored?.arrayBuffer()) ?? new ArrayBuffer())
    })
    const roots = { fromRoot: first.checkpoint.root, toRoot: second.checkpoint.root }
    expect(verifyConsistency({ from: 3, to: 303, ...roots, proof })).toBe(true)
  })

  it('completes what an earlier run broke off after its receipt was out', async () => {
    const { tenantId } = await stand.grownTenant(2)
    await stand.fire(NIGHTLY)
    const { text } = await stand.publishedReceipt(tenantId)
    await (await stand.bucket()).delete(newestReceiptKey(tenantId))
    await stand.superuser`delete from flarewatch.receipts where log = ${tenantId}`
    await stand.fire(NIGHTLY)
    expect((await stand.publishedReceipt(tenantId)).text).toBe(text)
    const [stored] = await stand.superuser`select note from flarewatch.receipts where log = ${tenantId}`
    expect(stored?.note).toBe(text)
  })

  it('comes to the end of a log that arrives in one piece, each time', async () => {
    // COPY's last bytes together with all others, which holds postgres.js's reader back for good where nobody lets it go.
    const { tenantId } = await stand.grownTenant(280)
    for (let night = 0; night < 6; night += 1) expect(await stand.fire(NIGHTLY)).toBe('ok')
    expect((await stand.publishedReceipt(tenantId)).checkpoint.size).toBe(280)
  })

  it('takes rows that the ledger has not flushed yet for what they are', async () => {
    const { tenantId } = await stand.grownTenant(4)
    await stand.superuser`revoke insert on flarewatch.audit_log from flarewatch_ledger`
    try {
      await stand.append(tenantId, 4, 2, { flushed: false })
      await stand.fire(NIGHTLY)
    } finally {
      await stand.superuser`
        grant insert (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag,
          sealed, hash) on flarewatch.audit_log to flarewatch_ledger`
    }
    expect((await stand.publishedReceipt(tenantId)).checkpoint.size).toBe(4)
    expect(await stand.incidentsOf(tenantId)).toEqual([])
  })
})

describe('a tenant that cannot be looked at', () => {
  it('is accused of nothing, gets no receipt, and keeps no other from one', async () => {
    const [silent, other] = [await stand.grownTenant(2), await stand.grownTenant(2)]
    const reachable = await stand.ledgers()
    const sql = connect({ connectionString: stand.database.urlFor('flarewatch_verifier') } as Hyperdrive)
    const unreachable = { head: () => Promise.reject(new Error('unreachable')) } as unknown as AuditLedgerApi
    const queued: VerifyMessage[] = []
    const tools = {
      sql,
      bucket: (await stand.bucket()) as unknown as R2Bucket,
      ledgerOf: (tenantId: TenantId) => (tenantId === silent.tenantId ? unreachable : reachable(tenantId)),
      roster: await stand.roster(),
      signer: { signer: stand.signer, logName: LOG_NAME },
      at: new Date(),
      limits: LIMITS,
      enqueue: async (messages: readonly VerifyMessage[]) => void queued.push(...messages),
    }
    const summary = await verifyAll(tools, 'all').finally(() => sql.end())
    expect(summary.failed).toEqual([silent.tenantId])
    expect(queued).toMatchObject([{ kind: 'night', log: silent.tenantId }])
    expect((await stand.publishedReceipt(other.tenantId)).checkpoint.size).toBe(2)
    expect(await stand.incidentsOf(silent.tenantId)).toEqual([])
    expect(await (await stand.bucket()).head(newestReceiptKey(silent.tenantId))).toBeNull()
  })
})

describe('L2: both sides go back', () => {
  it('a receipt that was the newest before is put in the place of the newest: an incident, until it is put right', async () => {
    const { tenantId } = await stand.grownTenant(3)
    await stand.fire(EVERY_FEW_MINUTES)
    const { text: earlier } = await stand.publishedReceipt(tenantId)
    await stand.append(tenantId, 3, 2)
    await stand.fire(EVERY_FEW_MINUTES)
    await stand.fire(NIGHTLY)
    const { text: newest } = await stand.publishedReceipt(tenantId)
    const bucket = await stand.bucket()
    await bucket.put(newestReceiptKey(tenantId), earlier)
    await stand.fire(NIGHTLY)
    expect(await stand.incidentsOf(tenantId)).toEqual([{ kind: 'receipt_inconsistent', seq: 3 }])
    await bucket.put(newestReceiptKey(tenantId), newest)
    await stand.fire(NIGHTLY)
    expect(await stand.incidentsOf(tenantId)).toHaveLength(1)
  })

  it('a tenant that neither Postgres nor the roster knows any more is missed, for its receipts', async () => {
    const log = randomUUID()
    await (await stand.bucket()).put(`receipts/${log}/3`, 'a receipt')
    await stand.fire(NIGHTLY)
    expect(await stand.incidentsOf(TenantId.parse(log))).toEqual([{ kind: 'tenant_missing', seq: 1 }])
  })
})

describe('L2, T3: a superuser changes what is stored', () => {
  type Case = { readonly tenant: TamperedChain; readonly receipt: string }
  type Seen = { readonly incidents: unknown; readonly receipt: string }
  const cases: Case[] = []
  const [firstNight, secondNight]: [Seen[], Seen[]] = [[], []]
  let bystander: TamperedChain

  // One after another: guards are switched off for a table as a whole. The verifier then meets them all in one night.
  beforeAll(async () => {
    const grown = await Promise.all(TAMPERINGS.map(() => stand.grownTenant(4)))
    await stand.fire(EVERY_FEW_MINUTES)
    for (const tenant of grown) {
      const rows = [...tenant.rows, ...(await stand.append(tenant.tenantId, 4, 2))]
      cases.push({ tenant: { ...tenant, rows }, receipt: (await stand.publishedReceipt(tenant.tenantId)).text })
    }
    await withoutTriggers(stand.superuser, async () => {
      for (const [index, [, , tamper]] of TAMPERINGS.entries()) {
        const tampered = cases[index]
        if (tampered !== undefined) await tamper(stand.superuser, tampered.tenant)
      }
    })
    bystander = await stand.grownTenant(2)
    for (const seen of [firstNight, secondNight]) {
      await stand.fire(NIGHTLY)
      for (const { tenant } of cases) {
        const { text } = await stand.publishedReceipt(tenant.tenantId)
        seen.push({ incidents: await stand.incidentsOf(tenant.tenantId), receipt: text })
      }
    }
  })

  it.each(TAMPERINGS.map(([what, expected], index) => [what, expected, index] as const))(
    '%s: an incident names kind and sequence, once, and nothing is signed',
    (_what, expected, index) => {
      const seen = { incidents: [expected], receipt: cases[index]?.receipt }
      expect(firstNight[index]).toEqual(seen)
      expect(secondNight[index]).toEqual(seen)
    },
  )

  it('others are signed', async () => {
    expect((await stand.publishedReceipt(bystander.tenantId)).checkpoint.size).toBe(2)
    expect(await stand.incidentsOf(bystander.tenantId)).toEqual([])
  })
})

function treeOf(rows: readonly AuditRow[]): MerkleTree {
  const tree = new MerkleTree()
  for (const { hash } of rows) tree.append(hash)
  return tree
}
