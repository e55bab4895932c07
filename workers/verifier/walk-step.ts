import type { AuditLedgerApi, LedgerHead } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId, type TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'
import type { Evidence } from './divergence.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import { judge } from './judge.ts'
import { rowsBetween, seqOfRow } from './stored-chain.ts'
import { type Walk, type WalkPlan, walkChain } from './walk.ts'

export type JudgedWalk = {
  readonly walk: Walk
  readonly finding: Finding | null
  /** Whether the ledger still keeps the last row that was walked, and agrees with it. */
  readonly witnessed: boolean
}

/** Walks some of a log's rows and holds them against the ledger, which is asked before and after. */
export async function walkAndJudge(
  { sql, ledgerOf }: Pick<Instruments, 'sql' | 'ledgerOf'>,
  tenantId: TenantId,
  rosterFirstHash: Uint8Array | null,
  plan: WalkPlan & { readonly largestSigned: number },
): Promise<JudgedWalk> {
  const ledger = ledgerOf(tenantId)
  const before = await ledger.head()
  const walk = await walkChain(sql, tenantId, plan)
  const after = await ledger.head()
  const kept = await keptHash(ledger, after, walk)
  const { earlier, largestSigned } = plan
  const witnesses = { before, after, keptHash: kept, rosterFirstHash, earlier, largestSigned }
  const finding = await judge(walk, witnesses, evidenceOf(sql, tenantId, ledger, before, walk))
  return { walk, finding, witnessed: kept !== null }
}

/** The ledger's hash at the last row that was walked. */
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
  before: LedgerHead,
  { size, broken }: Walk,
): Evidence {
  // A row that the ledger had not flushed yet need not be stored; one in front of a stored row must be.
  const expected = Math.max(before.flushedSeq, broken === null ? size : size + 1)
  return {
    stored: (first, last) => rowsBetween(sql, tenantId, first, last),
    storedSeqOf: (rowId) => seqOfRow(sql, tenantId, rowId),
    kept: async (fromSeq) => (await ledger.rowsFrom(fromSeq, KEPT_PAGE)).filter(({ seq }) => seq <= expected),
    keptSeqOf: async (rowId) => {
      const parsed = AuditRowId.safeParse(rowId)
      return parsed.success ? ((await ledger.rowOf(parsed.data))?.seq ?? null) : null
    },
  }
}
