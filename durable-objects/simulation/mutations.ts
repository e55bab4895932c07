/** One line of the ledger changed, each of which breaks a promise that the simulation must then see broken. */
export type Mutation = {
  readonly name: string
  readonly breaks: string
  /** Below `durable-objects/ledger/`. */
  readonly file: 'agreement.ts' | 'book.ts' | 'feed.ts' | 'ledger.ts'
  /** Occurs once in the file. */
  readonly search: string
  readonly replacement: string
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'answers-early',
    breaks: 'rows are answered for before they are on disk',
    file: 'ledger.ts',
    search: 'await storage.sync()\n        for',
    replacement: 'await null\n        for',
  },
  {
    name: 'feeds-early',
    breaks: 'rows reach Postgres before they are on disk here',
    file: 'feed.ts',
    search: 'await this.#platform.storage.sync()\n      await store.addRows(rows)',
    replacement: 'await null\n      await store.addRows(rows)',
  },
  {
    name: 'shares-early',
    breaks: 'a share is handed out before it is on disk',
    file: 'ledger.ts',
    search: 'await this.#platform.storage.sync()\n    return { ok: true, share',
    replacement: 'return { ok: true, share',
  },
  {
    name: 'awaits-inside',
    breaks: 'another call can run between reading the head and writing it',
    file: 'ledger.ts',
    search: 'const answers = storage.transactionSync(() => this.book.appendAll(batch.map(({ request }) => request)))',
    replacement:
      'const answers = await Promise.all(batch.map(async ({ request }) => { await this.#platform.clock(); return this.book.append(request) }))',
  },
  {
    name: 'compares-never',
    breaks: 'rows are numbered before Postgres was asked',
    file: 'ledger.ts',
    search: 'Promise.race([this.#feed.run(), ',
    replacement: 'Promise.race([',
  },
  {
    name: 'wakes-never',
    breaks: 'no alarm stands behind the feeding at once',
    file: 'ledger.ts',
    search: 'this.#wakeIn(Math.max(FEED_ALARM_MS, this.#feed.restMs))\n        await',
    replacement: 'await',
  },
  {
    name: 'marks-too-far',
    breaks: 'one row more than was acknowledged counts as fed',
    file: 'feed.ts',
    search: 'this.#book.markFed(last.seq, ',
    replacement: 'this.#book.markFed(last.seq + 1, ',
  },
  {
    name: 'agrees-for-good',
    breaks: 'Postgres is not asked again after a feed that failed',
    file: 'feed.ts',
    search: 'this.#agreed = false\n    log',
    replacement: 'log',
  },
  {
    name: 'ignores-lost-history',
    breaks: 'a ledger that lost history goes on',
    file: 'agreement.ts',
    search: 'if (storedSeq > ledger.seq) return',
    replacement: 'if (storedSeq > ledger.seq + 1_000_000) return',
  },
  {
    name: 'ignores-lost-rows',
    breaks: 'acknowledged rows that are gone are no incident',
    file: 'agreement.ts',
    search: 'if (storedSeq < ledger.flushedSeq && ',
    replacement: 'if (storedSeq < 0 && ',
  },
  {
    name: 'appends-behind',
    breaks: 'rows are numbered on top of lost history',
    file: 'book.ts',
    search: "if (ledger.behind === 1) return { ok: false, code: 'ledger_behind' }",
    replacement: '',
  },
  {
    name: 'forgets-rows',
    breaks: 'a row that is sent again is another row',
    file: 'book.ts',
    search: 'if (known !== null) return',
    replacement: 'if (known !== null && known.seq < 0) return',
  },
  {
    name: 'takes-any-content',
    breaks: 'other content under a known id is acknowledged',
    file: 'book.ts',
    search: "if (!identical) return { ok: false, code: 'row_conflict' }",
    replacement: '',
  },
  {
    name: 'gives-twice',
    breaks: 'one row yields its share as often as it is sent',
    file: 'book.ts',
    search: 'if (known.seq !== BIRTH_SEQ || ledger.released_since_birth === 1) {',
    replacement: 'if (known.seq < BIRTH_SEQ) {',
  },
  {
    name: 'goes-over-budget',
    breaks: 'a budget lets one release more through',
    file: 'book.ts',
    search: 'Math.floor(now / HOUR_MS)) > release.budgetPerHour) {',
    replacement: 'Math.floor(now / HOUR_MS)) > release.budgetPerHour + 1) {',
  },
  {
    name: 'releases-frozen',
    breaks: 'a frozen tenant gets its share',
    file: 'book.ts',
    search: "if (ledger.frozen_reason !== null) return { ok: false, code: 'tenant_frozen', ...place }",
    replacement: '',
  },
  {
    name: 'runs-backwards',
    breaks: 'a caller whose clock is late takes the chain back in time',
    file: 'book.ts',
    search: 'const at = Math.max(askedAt, ledger.at)',
    replacement: 'const at = askedAt',
  },
  {
    name: 'prunes-unfed',
    breaks: 'rows are pruned by their age alone',
    file: 'book.ts',
    search: "'DELETE FROM rows WHERE fed_at < ? AND seq > ?'",
    replacement: "'DELETE FROM rows WHERE at < ? AND seq > ?'",
  },
]
