import type { WalkStart } from '../../domain/audit/walk-start.ts'
import type { AuditLedgerApi, LedgerHead } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId, type TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'
import type { Evidence } from './divergence.ts'
import type { Finding } from './finding.ts'
import { judge } from './judge.ts'
import { type Receipt, type ReceiptSigner, signReceipt } from './receipt.ts'
import { type NewestReceipt, newestReceipt, publishReceipt, rememberedRoots, rememberReceipt } from './receipt-store.ts'
import { rowsBetween, seqOfRow } from './stored-chain.ts'
import { walkStored } from './stored-walk.ts'
import type { KnownTenant } from './tenants.ts'
import type { Walk } from './walk.ts'

export type Instruments = {
  readonly sql: Sql
  readonly bucket: R2Bucket
  readonly ledgerOf: (tenantId: TenantId) => AuditLedgerApi
  readonly signer: ReceiptSigner
  /** Goes into the receipt: when the cron was due. */
  readonly at: Date
}
/** `moved`: only when the ledger flushed rows that no receipt covers yet; `all`: whatever happened. */
export type Scope = 'moved' | 'all'
export type Verdict =
  | { readonly kind: 'unmoved' }
  | { readonly kind: 'sound'; readonly size: number; readonly signed: Receipt | null }
  | { readonly kind: 'finding'; readonly finding: Finding }

/** Checks one tenant's log from its first row to its last, and signs what it found sound. Never signs anything else. */
export async function verifyTenant(tools: Instruments, tenant: KnownTenant, scope: Scope): Promise<Verdict> {
  const { tenantId, firstHash } = tenant
  const ledger = tools.ledgerOf(tenantId)
  const newest = await newestReceipt(tools.bucket, tenantId, tools.signer)
  if (newest === 'unreadable') return receiptInconsistent(null)
  const before = await ledger.head()
  const signedSize = newest === 'none' ? 0 : newest.receipt.size
  if (scope === 'moved' && before.flushedSeq === signedSize && before.seq === signedSize) return { kind: 'unmoved' }

  const earlier = await rememberedRoots(tools.sql, tenantId)
  if (newest !== 'none') {
    const remembered = earlier.get(signedSize)
    if (remembered !== undefined && !sameRoot(remembered, newest.receipt.root)) return receiptInconsistent(signedSize)
    earlier.set(signedSize, newest.receipt.root)
  }
  const walked = await walkStored(tools, ledger, tenantId, earlier, signedSize)
  if ('kind' in walked) return { kind: 'finding', finding: walked }
  const { start, walk } = walked
  const after = await ledger.head()
  const witnesses = {
    before,
    after,
    keptHash: await keptHash(ledger, after, walk),
    rosterFirstHash: firstHash,
    earlier,
  }
  const finding = await judge(walk, witnesses, evidenceOf(tools.sql, tenantId, ledger, start, before, walk))
  if (finding !== null) return { kind: 'finding', finding }
  return sign(tools, tenantId, walk, newest)
}

async function sign(
  tools: Instruments,
  log: TenantId,
  { size, root, lastHash, tiles }: Walk,
  newest: NewestReceipt | 'none',
): Promise<Verdict> {
  if (lastHash === null) return { kind: 'sound', size: 0, signed: null }
  if (newest !== 'none' && newest.receipt.size === size) {
    // An earlier run may have broken off between the bucket and Postgres.
    await rememberReceipt(tools.sql, newest.receipt)
    return { kind: 'sound', size, signed: null }
  }
  const receipt = await signReceipt({ log, size, root, chainHead: lastHash, at: tools.at }, tools.signer)
  const standing = await publishReceipt(tools.bucket, receipt, tiles, newest, tools.signer)
  if (standing === 'unreadable' || !sameRoot(standing.root, root)) return receiptInconsistent(size)
  await rememberReceipt(tools.sql, standing)
  return { kind: 'sound', size, signed: standing }
}

/** The ledger's hash at the last stored row. */
async function keptHash(ledger: AuditLedgerApi, head: LedgerHead, { size }: Walk): Promise<Uint8Array | null> {
  if (size === 0) return null
  if (head.seq === size) return head.hash
  const [row] = await ledger.rowsFrom(size, 1)
  return row !== undefined && row.seq === size ? row.hash : null
}

const KEPT_PAGE = 500

function evidenceOf(
  sql: Sql,
  tenantId: TenantId,
  ledger: AuditLedgerApi,
  start: WalkStart,
  before: LedgerHead,
  { size, broken }: Walk,
): Evidence {
  // A row that the ledger had not flushed yet need not be stored; one in front of a stored row must be.
  const expected = Math.max(before.flushedSeq, broken === null ? size : size + 1)
  return {
    stored: (first, last) => rowsBetween(sql, tenantId, first, last),
    storedSeqOf: (rowId) => seqOfRow(sql, tenantId, rowId),
    // Row 1 stays in the ledger for good; of what was pruned, the certificate is the evidence.
    kept: async (fromSeq) => {
      const rows = await ledger.rowsFrom(Math.max(fromSeq, start.seq + 1), KEPT_PAGE)
      return rows.filter(({ seq }) => seq <= expected)
    },
    keptSeqOf: async (rowId) => {
      const parsed = AuditRowId.safeParse(rowId)
      return parsed.success ? ((await ledger.rowOf(parsed.data))?.seq ?? null) : null
    },
  }
}

function receiptInconsistent(seq: number | null): Verdict {
  return { kind: 'finding', finding: { kind: 'receipt_inconsistent', seq, detail: {} } }
}

function sameRoot(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
