import { OUTCOME_ACTION } from '../../domain/contracts/acts.ts'
import type { AuditEntry, z } from '../data/schemas.ts'

export type Row = z.infer<typeof AuditEntry>
export type Ending = { readonly seq: number; readonly at: string; readonly code: string }
export type Outcome =
  | ({ readonly kind: 'succeeded' | 'failed' } & Ending)
  /** Announced, and nothing heard of it yet. */
  | { readonly kind: 'open' }
  /** Nothing was heard of it for so long that nobody will say how it ended. */
  | { readonly kind: 'unknown' }
  /** A record of something that has no ending of its own. */
  | { readonly kind: 'none' }
export type Act = { readonly row: Row; readonly outcome: Outcome }

/**
 * One line an act: its intent row, which knows how it ended. An outcome row whose intent is not among `rows` stays a line of its own
 * until that part of the log is loaded.
 */
export function actsOf(rows: readonly Row[]): Act[] {
  const shown = new Set(rows.map(({ row_id }) => String(row_id)))
  return rows.filter(({ action, detail }) => action !== OUTCOME_ACTION || !shown.has(detail.intent ?? '')).map(actOf)
}

/** One row by itself, shown even where it is the outcome of another. */
export function actOf(row: Row): Act {
  return { row, outcome: outcomeOf(row) }
}

function outcomeOf({ action, seq, at, detail, outcome }: Row): Outcome {
  if (action === OUTCOME_ACTION) {
    return { kind: detail.succeeded === 'true' ? 'succeeded' : 'failed', seq, at, code: detail.code ?? '' }
  }
  if (outcome === null) return { kind: 'none' }
  if (!('code' in outcome)) return { kind: outcome.state }
  return { kind: outcome.state, seq: outcome.seq, at: outcome.at, code: outcome.code }
}
