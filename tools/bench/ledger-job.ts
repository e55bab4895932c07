/** Calls a Durable Object as the vault does, from a Worker beside it: so many calls in flight, each timed. */
export type LedgerJob = {
  readonly side: 'birth' | 'append' | 'append_many' | 'noop' | 'head'
  readonly tenantId: string
  readonly calls: number
  readonly inFlight: number
  /** Rows a call, for `append_many`. */
  readonly rows: number
}
export type LedgerAnswer = {
  readonly tookMs: number
  readonly latencies: readonly number[]
  readonly acknowledged: number
  readonly seq: number
  readonly flushedSeq: number
}
