/** Sums over the backfills of one credential that are under way, with those that ended while they were; over all where none is. */
export type BackfillSums = {
  readonly open: number
  readonly stopped: number
  /** Windows, be they hours or days: stored, and wanted in all. */
  readonly stored: number
  readonly wanted: number
  /** Unix milliseconds of the first start and of the last slice; null before the first. */
  readonly startedAt: number | null
  readonly movedAt: number | null
}

export type Progress = {
  readonly state: 'open' | 'done' | 'stopped'
  /** 0 to 100, and 100 only at the end. */
  readonly percent: number
  readonly remainingSeconds: number | null
}

/** Less than this tells nothing of a pace. */
const SHORTEST_SAMPLE_MS = 5000

export function progressOf(sums: BackfillSums): Progress {
  if (sums.open === 0) return { state: sums.stopped > 0 ? 'stopped' : 'done', percent: 100, remainingSeconds: null }
  const share = sums.wanted > 0 ? sums.stored / sums.wanted : 0
  const percent = Math.max(0, Math.min(99, Math.floor(share * 100)))
  return { state: 'open', percent, remainingSeconds: remainingSeconds(sums) }
}

/** By the pace so far, pauses for the provider's sake included. */
function remainingSeconds({ stored, wanted, startedAt, movedAt }: BackfillSums): number | null {
  if (startedAt === null || movedAt === null || stored <= 0) return null
  const took = movedAt - startedAt
  return took < SHORTEST_SAMPLE_MS ? null : Math.ceil((Math.max(0, wanted - stored) / stored) * (took / 1000))
}
