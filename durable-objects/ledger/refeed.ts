import type { RefeedAnswer } from '../../domain/contracts/durable-objects.ts'
import type { AuditRowId } from '../../domain/contracts/ids.ts'
import { failure } from '../../domain/result.ts'
import { type Sql, sqlStateOf } from '../../workers/runtime/database.ts'
import type { Book } from './book.ts'
import type { Feed } from './feed.ts'
import { insertRows, refeedRow, storedHashes, storedHead, withStore } from './stored-rows.ts'

/** Rows of one call: some hundred round trips at most. */
const PAGE_ROWS = 200

type Parts = { readonly book: Book; readonly feed: Feed; readonly hyperdrive: Hyperdrive }
type Request = { readonly actRow: AuditRowId; readonly below: number }

/** One page of flow 3's repair. Rows that are stored are left alone, so it can be asked for again at any time. */
export async function refeedPage({ book, feed, hyperdrive }: Parts, request: Request): Promise<RefeedAnswer> {
  const act = book.rowOf(request.actRow)
  if (act === null) return failure('row_unknown')
  if (book.head().behind) return failure('ledger_behind')
  if (book.restored.unproven) return failure('ledger_unproven')
  return withStore(hyperdrive, async (sql): Promise<RefeedAnswer> => {
    // Waiting rows go the ordinary way, the act among them. Where the head was set back with the rows, that way is barred
    // until the lost ones have gone it again, oldest first.
    const tail = (await feed.run()) ? 0 : await refeedTail(sql, book)
    // A run that was under way may have looked before the act came.
    while (book.head().flushedSeq < act.seq) {
      if (await feed.run()) continue
      // Throws when the failure was that Postgres is away; else it refused the act itself.
      await storedHead(sql, act.tenantId)
      return { ok: false, code: 'refeed_refused', seq: act.seq }
    }
    const rows = book.rowsDownFrom(Math.min(request.below, act.seq) - 1, PAGE_ROWS)
    const [newest, oldest] = [rows[0], rows.at(-1)]
    if (newest === undefined || oldest === undefined) return { ok: true, refed: tail, below: null }
    const stored = await storedHashes(sql, act.tenantId, oldest.seq, newest.seq)
    let refed = tail
    for (const row of rows.filter(({ seq }) => !stored.has(seq))) {
      const fed = await refeedRow(sql, act, row).catch(refusalOf)
      if (fed === null) return { ok: false, code: 'refeed_refused', seq: row.seq }
      if (fed) refed += 1
    }
    return { ok: true, refed, below: oldest.seq }
  }).catch((error: unknown) => {
    if (sqlStateOf(error) === null) return failure('store_unreachable')
    return { ok: false, code: 'refeed_refused', seq: act.seq } as const
  })
}

/** Acknowledged rows behind the newest that Postgres still has, in order. */
async function refeedTail(sql: Sql, book: Book): Promise<number> {
  const { tenantId, flushedSeq } = book.head()
  if (tenantId === null) return 0
  let refed = 0
  for (let from = ((await storedHead(sql, tenantId))?.seq ?? 0) + 1; from <= flushedSeq; ) {
    const rows = book.rowsFrom(from, PAGE_ROWS).filter(({ seq }) => seq <= flushedSeq)
    const last = rows.at(-1)
    if (last === undefined) return refed
    await insertRows(sql, rows)
    refed += rows.length
    from = last.seq + 1
  }
  return refed
}

/** Null when Postgres judged the row; anything else is a connection that failed. */
function refusalOf(error: unknown): null {
  if (sqlStateOf(error) === null) throw error
  return null
}
