import { ProviderFailure, type Range } from './provider.ts'

/** A dataset of equal windows, in order of time, with at most one row a window. */
export type WindowedRows<Row> = {
  readonly windowMs: number
  readonly beginOf: (row: Row) => number
  /** One page: rows with `from <= begin < to`, oldest first, at most `limit`. */
  readonly ask: (from: number, to: number, limit: number) => Promise<readonly Row[]>
}

/**
 * Reads every row of [from, to). A page that ends early is not believed: whatever is missing up to `expectedUntil` (windows
 * that have ended) is asked for once more, since an empty or cut reply looks like a site without visitors.
 */
export async function readWindows<Row>(
  rows: WindowedRows<Row>,
  range: { readonly from: number; readonly to: number; readonly expectedUntil: number; readonly limit: number },
): Promise<Row[]> {
  const read: Row[] = []
  let position = range.from
  let isSecondTry = false
  while (position < range.to) {
    const page = await rows.ask(position, range.to, range.limit)
    const end = judgePage(rows, page, position, range.to)
    const isEmpty = end === undefined
    if (isEmpty && (isSecondTry || position >= range.expectedUntil)) break
    isSecondTry = isEmpty
    if (isEmpty) continue
    read.push(...page)
    position = end
    if (page.length < range.limit && position >= range.expectedUntil) break
  }
  return read
}

/** Empty answers that make a silence where nothing can prove it. */
const TRIES_OF_A_SILENCE = 3

/**
 * Reads every row of [from, to), and asks beyond it, up to `knownUntil`, for windows that are stored already: an answer that has one of
 * those was neither empty by mistake nor cut short before them. Without such proof a silence is asked about again.
 */
export async function readBefore<Row>(
  rows: WindowedRows<Row>,
  range: Range & { readonly knownUntil: number; readonly limit: number },
): Promise<Row[]> {
  const read: Row[] = []
  let position = range.from
  let silences = 0
  while (position < range.to && silences < TRIES_OF_A_SILENCE) {
    const page = await rows.ask(position, range.knownUntil, range.limit)
    const end = judgePage(rows, page, position, range.knownUntil)
    if (end === undefined) silences += 1
    else silences = 0
    read.push(...page.filter((row) => rows.beginOf(row) < range.to))
    position = end ?? position
  }
  return read
}

/** The end of the page's last window, undefined for an empty page. A row from before the position was answered already. */
function judgePage<Row>(
  { beginOf, windowMs }: WindowedRows<Row>,
  page: readonly Row[],
  position: number,
  to: number,
): number | undefined {
  let next: number | undefined
  for (const row of page) {
    const begin = beginOf(row)
    if (begin < (next ?? position)) throw new ProviderFailure('page_repeated')
    if (begin >= to || begin % windowMs !== 0) throw new ProviderFailure('provider_reply_invalid')
    next = begin + windowMs
  }
  return next
}

export type DatasetBounds = {
  readonly windowMs: number
  /** How long after its end a window may still change. */
  readonly settlingMs: number
  readonly notOlderThanMs: number
  readonly maxDurationMs: number
  /** How far back a first poll reads: what is older is its history. */
  readonly recentMs: number
}
export type Plan = {
  readonly chunks: readonly { readonly from: number; readonly to: number }[]
  /** Windows that end by then are over: a row of theirs may come late, and its absence is asked about once more. */
  readonly endedUntil: number
  /** Windows that end by then are complete: they have settled. */
  readonly completeUntil: number
}

/**
 * From the saved cursor to the window that is under way, in steps that the provider allows. Without a cursor from the recent windows
 * on; with one that is older than the provider keeps rows, from the oldest window that can be asked for.
 */
export function planWindows(bounds: DatasetBounds, cursor: number | null, now: number): Plan {
  const { windowMs } = bounds
  const step = stepOf(bounds)
  const recent = Math.floor((now - bounds.recentMs) / windowMs) * windowMs
  const from = Math.max(cursor ?? recent, oldestWindow(bounds, now))
  const endedUntil = Math.floor(now / windowMs) * windowMs
  const to = endedUntil + windowMs
  const chunks: { from: number; to: number }[] = []
  for (let position = from; position < to; position += step) {
    chunks.push({ from: position, to: Math.min(position + step, to) })
  }
  return { chunks, endedUntil, completeUntil: Math.floor((now - bounds.settlingMs) / windowMs) * windowMs }
}

/** The widest range of whole windows that the provider answers at once. */
export function stepOf({ maxDurationMs, windowMs }: Pick<DatasetBounds, 'maxDurationMs' | 'windowMs'>): number {
  const step = Math.floor(maxDurationMs / windowMs) * windowMs
  if (step === 0) throw new ProviderFailure('provider_query_refused')
  return step
}

/** One window of margin: time passes between planning and asking. */
export function oldestWindow(
  { notOlderThanMs, windowMs }: Pick<DatasetBounds, 'notOlderThanMs' | 'windowMs'>,
  now: number,
): number {
  return Math.ceil((now - notOlderThanMs) / windowMs) * windowMs + windowMs
}

/** A silence older than this is a quiet site; a younger one may be rows that are late. */
const SILENCE_BELIEVED_AFTER_MS = 48 * 3_600_000

export function silenceBelievedUntil(windowMs: number, now: number): number {
  return Math.floor((now - SILENCE_BELIEVED_AFTER_MS) / windowMs) * windowMs
}

/**
 * Where the cursor may go after a chunk: behind the last row that came, or behind a silence that is old enough, and never
 * past a window that can still change. Null when it stays.
 */
export function cursorAfter(
  chunk: { readonly from: number; readonly to: number },
  lastRowEnd: number | undefined,
  completeUntil: number,
  windowMs: number,
  now: number,
): number | null {
  const evidence = Math.max(lastRowEnd ?? chunk.from, Math.min(chunk.to, silenceBelievedUntil(windowMs, now)))
  const next = Math.min(evidence, completeUntil)
  return next > chunk.from ? next : null
}
