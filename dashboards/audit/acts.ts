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

export const OUTCOME_ACTION = 'act.outcome'
/** Those that write an intent row before, and an outcome row after. */
const INTENTS: ReadonlySet<string> = new Set(['tenant.create', 'credential.store', 'credential.open'])
export function hasOutcome(action: string): boolean {
  return INTENTS.has(action)
}

/** As long as a poll may take with all its tries, and then some. */
export const UNKNOWN_AFTER_MS = 10 * 60_000

/**
 * One line an act: its intent row with the outcome row that names it, wherever among `rows` and `more` that is. An outcome
 * whose intent is further down stays a line of its own until that part is loaded.
 */
export function actsOf(rows: readonly Row[], more: readonly Row[], loadedAt: number): Act[] {
  const outcomes = new Map<string, Row>()
  for (const row of [...rows, ...more]) {
    const { intent } = row.detail
    if (row.action === OUTCOME_ACTION && intent !== undefined) outcomes.set(intent, row)
  }
  const shown = new Set(rows.map(({ row_id }) => String(row_id)))
  return rows
    .filter(({ action, detail }) => action !== OUTCOME_ACTION || !shown.has(detail.intent ?? ''))
    .map((row) => ({ row, outcome: outcomeOf(row, outcomes.get(row.row_id), loadedAt) }))
}

function outcomeOf(row: Row, ending: Row | undefined, loadedAt: number): Outcome {
  if (row.action === OUTCOME_ACTION) return told(row)
  if (ending !== undefined) return told(ending)
  if (!hasOutcome(row.action)) return { kind: 'none' }
  return loadedAt - Date.parse(row.at) > UNKNOWN_AFTER_MS ? { kind: 'unknown' } : { kind: 'open' }
}

function told({ seq, at, detail }: Row): Outcome {
  return { kind: detail.succeeded === 'true' ? 'succeeded' : 'failed', seq, at, code: detail.code ?? '' }
}
