import { ChainVerifier } from '../../domain/audit/chain.ts'
import { openContent } from '../../domain/audit/content.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { ChainEnd } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { type Result, success } from '../../domain/result.ts'
import type { Transaction } from '../runtime/database.ts'
import type { AuditKeys } from './audit-keys.ts'
import { reach } from './call.ts'
import type { Visit } from './visit.ts'

/** A row's hash as somebody outside Postgres knows it. */
export type Witness = {
  readonly by: 'receipt' | 'backup' | 'ledger'
  readonly seq: number
  readonly hash: Uint8Array
}
export type StoredChain = {
  readonly end: ChainEnd
  /** Of row 1; null where its month has been pruned. */
  readonly birth: { readonly hash: Uint8Array; readonly at: number } | null
}
export type ChainFault = {
  readonly ok: false
  readonly code: 'chain_empty' | 'chain_broken' | 'postgres_behind' | `${Witness['by']}_contradicted`
  readonly seq: number
}
export type VerifiedChain = { readonly ok: true; readonly value: StoredChain } | ChainFault

/** Rows in memory at a time. */
const PAGE_ROWS = 500

/**
 * Recomputes what Postgres has of a tenant's chain, from its first row to its last, and holds it against the witnesses. A
 * chain of hashes that ends in a witness's hash is the chain that the witness saw.
 */
export async function verifyStoredChain(
  visit: Visit,
  tenantId: TenantId,
  witnesses: readonly Witness[],
): Promise<VerifiedChain | { readonly ok: false; readonly code: 'store_unreachable'; readonly seq: null }> {
  const pass = new Pass(tenantId, witnesses)
  const read = () =>
    visit.sql.begin('isolation level repeatable read read only', async (snapshot) => {
      for await (const row of rowsAfter(snapshot, tenantId, 0)) if (pass.take(row) !== null) break
    })
  const walked = await reach('store_unreachable', read, { tenant_id: tenantId })
  return walked.ok ? pass.result() : { ...walked, seq: null }
}

/** The first row behind `afterSeq` that the tenant's audit key does not open, or that repeats a row; null when each is ours. */
export async function firstForeignRow(
  { sql }: Visit,
  tenantId: TenantId,
  afterSeq: number,
  keys: AuditKeys,
): Promise<Result<number | null, 'store_unreachable'>> {
  const read = () =>
    sql.begin('isolation level repeatable read read only', async (snapshot) => {
      for await (const row of rowsAfter(snapshot, tenantId, afterSeq)) if (!(await isOurs(row, keys))) return row.seq
      return repeatedRow(snapshot, tenantId, afterSeq)
    })
  return reach('store_unreachable', read, { tenant_id: tenantId })
}

async function isOurs(row: AuditRow, keys: AuditKeys): Promise<boolean> {
  const auditKey = keys.ofVersion(row.keyVersion)
  return auditKey !== null && (await openContent({ auditKey, row })).ok
}

/** Sealed content opens wherever it stands, under its row id: a copy of an older row would open too. */
async function repeatedRow(sql: Transaction, tenantId: TenantId, afterSeq: number): Promise<number | null> {
  const [row] = await sql<{ seq: number }[]>`
    select seq from (
      select seq, count(*) over (partition by row_id) as times from flarewatch.audit_log where tenant_id = ${tenantId}
    ) as counted
    where times > 1 and seq > ${afterSeq} order by seq limit 1`
  return row?.seq ?? null
}

class Pass {
  readonly #tenantId: TenantId
  readonly #witnesses: readonly Witness[]
  #chain: ChainVerifier | null = null
  #last: AuditRow | null = null
  #birth: StoredChain['birth'] = null
  #fault: ChainFault | null = null

  constructor(tenantId: TenantId, witnesses: readonly Witness[]) {
    this.#tenantId = tenantId
    this.#witnesses = witnesses
  }

  take(row: AuditRow): ChainFault | null {
    this.#chain ??= this.#begin(row)
    const broken = this.#chain.feed(row)
    if (broken !== null) this.#fault ??= { ok: false, code: 'chain_broken', seq: broken.seq }
    this.#hear(row.seq, row.hash)
    if (row.seq === 1) this.#birth = { hash: row.hash, at: row.at }
    this.#last = row
    return this.#fault
  }

  /** Months that were pruned left a chain that begins in the middle. What vouches for that beginning is a witness behind it. */
  #begin({ seq, previousHash }: AuditRow): ChainVerifier {
    const front = seq - 1
    if (!this.#witnesses.some((witness) => witness.seq >= front)) return new ChainVerifier(this.#tenantId)
    if (front === 0) return new ChainVerifier(this.#tenantId)
    this.#hear(front, previousHash)
    return new ChainVerifier(this.#tenantId, { seq: front, hash: previousHash, at: 0 })
  }

  #hear(seq: number, hash: Uint8Array): void {
    const contradicting = this.#witnesses.find(
      (witness) => witness.seq === seq && !equalConstantTime(witness.hash, hash),
    )
    if (contradicting !== undefined) this.#fault ??= { ok: false, code: `${contradicting.by}_contradicted`, seq }
  }

  result(): VerifiedChain {
    if (this.#fault !== null) return this.#fault
    const last = this.#last
    const expected = Math.max(0, ...this.#witnesses.map(({ seq }) => seq))
    if (expected > (last?.seq ?? 0)) return { ok: false, code: 'postgres_behind', seq: (last?.seq ?? 0) + 1 }
    if (last === null) return { ok: false, code: 'chain_empty', seq: 1 }
    const { seq, hash, epoch, at } = last
    return success({ end: { seq, hash, epoch, at }, birth: this.#birth })
  }
}

type Columns = {
  epoch: number
  seq: number
  row_id: string
  at_us: number
  key_version: number
  previous_hash: Uint8Array
  actor_tag: Uint8Array
  action_tag: Uint8Array
  target_tag: Uint8Array
  sealed: Uint8Array
  hash: Uint8Array
}

/** In the order in which they were appended. A time finer than a millisecond makes a time that no hash covers. */
async function* rowsAfter(sql: Transaction, tenantId: TenantId, afterSeq: number): AsyncGenerator<AuditRow> {
  const pages = sql<Columns[]>`
    select epoch, seq, row_id, (extract(epoch from at) * 1000000)::bigint as at_us, key_version, previous_hash,
      actor_tag, action_tag, target_tag, sealed, hash
    from flarewatch.audit_log
    where tenant_id = ${tenantId} and seq > ${afterSeq} order by epoch, seq`.cursor(PAGE_ROWS)
  for await (const page of pages) {
    for (const columns of page) {
      yield {
        tenantId,
        epoch: columns.epoch,
        seq: columns.seq,
        rowId: columns.row_id,
        at: columns.at_us / 1000,
        keyVersion: columns.key_version,
        previousHash: columns.previous_hash,
        actorTag: columns.actor_tag,
        actionTag: columns.action_tag,
        targetTag: columns.target_tag,
        sealed: columns.sealed,
        hash: columns.hash,
      }
    }
  }
}
