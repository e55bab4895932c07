import type { RefeedAnswer } from '../../domain/contracts/durable-objects.ts'
import type { AuditRowId } from '../../domain/contracts/ids.ts'
import { failure } from '../../domain/result.ts'
import { sqlStateOf } from '../../workers/runtime/database.ts'
import type { Book } from './book.ts'
import type { Ledger } from './ledger.ts'
import type { RepairStore } from './platform.ts'

/** Rows of one call: some hundred round trips at most. */
const PAGE_ROWS = 200

export type RefeedRequest = { readonly actRow: AuditRowId; readonly below: number }

/**
 * One page of flow 3's repair. Rows that are stored are left alone, so it can be asked for again at any time. Throws what
 * the store throws.
 */
export async function refeedPage(ledger: Ledger, store: RepairStore, request: RefeedRequest): Promise<RefeedAnswer> {
  const { book } = ledger
  const { tenantId, behind } = book.head()
  const act = book.rowOf(request.actRow)
  if (act === null || tenantId === null) return failure('row_unknown')
  if (behind) return failure('ledger_behind')
  if (book.restored.unproven) return failure('ledger_unproven')
  // Waiting rows go the ordinary way, the act among them. Where the head was set back with the rows, that way is barred
  // until the lost ones have gone it again, oldest first.
  let refed = (await ledger.feedNow()) ? 0 : await refeedTail(store, book)
  // A run that was under way may have looked before the act came.
  while (book.head().flushedSeq < act.seq) {
    if (await ledger.feedNow()) continue
    // Throws when the failure was that Postgres is away; else it refused the act itself.
    await store.newestRow(tenantId)
    return { ok: false, code: 'refeed_refused', seq: act.seq }
  }
  // Row 1 stays when those behind it are pruned, here and, by retention, there: it is not missing then.
  const keptFrom = book.keptFrom() ?? act.seq
  const rows = book.rowsDownFrom(Math.min(request.below, act.seq) - 1, PAGE_ROWS).filter(({ seq }) => seq >= keptFrom)
  const [newest, oldest] = [rows[0], rows.at(-1)]
  if (newest === undefined || oldest === undefined) return { ok: true, refed, below: null }
  const stored = await store.hashesBetween(tenantId, oldest.seq, newest.seq)
  for (const row of rows.filter(({ seq }) => !stored.has(seq))) {
    const fed = await store.refeedRow(act, row).catch(judged)
    if (fed === null) return { ok: false, code: 'refeed_refused', seq: row.seq }
    if (fed) refed += 1
  }
  return { ok: true, refed, below: oldest.seq }
}

/** Acknowledged rows behind the newest that Postgres still has, in order. */
async function refeedTail(store: RepairStore, book: Book): Promise<number> {
  const { tenantId, flushedSeq } = book.head()
  if (tenantId === null) return 0
  let refed = 0
  for (let from = ((await store.newestRow(tenantId))?.seq ?? 0) + 1; from <= flushedSeq; ) {
    const rows = book.rowsFrom(from, PAGE_ROWS).filter(({ seq }) => seq <= flushedSeq)
    const last = rows.at(-1)
    if (last === undefined) return refed
    await store.addRows(rows)
    refed += rows.length
    from = last.seq + 1
  }
  return refed
}

/** Null when Postgres judged the row; anything else is a connection that failed. */
function judged(error: unknown): null {
  if (sqlStateOf(error) === null) throw error
  return null
}
