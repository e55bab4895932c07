import type { RunState } from '../../domain/contracts/runs.ts'
import { runWords } from '../../domain/runs/words.ts'
import type { CredentialLine, z } from '../data/schemas.ts'
import { formatAge } from '../view/format.ts'
import { STALE_AFTER_MS } from '../view/provenance.ts'

export type Line = z.infer<typeof CredentialLine>
export type Health = {
  readonly tone: 'good' | 'unsure' | 'bad'
  readonly badge: string
  /** What happened, and what to do about it; null where all is well. */
  readonly why: string | null
  readonly next: string | null
  /** Whether what to do is to connect another token. */
  readonly replace: boolean
}
type Polled = Pick<Line, 'state' | 'reason' | 'last_success_at' | 'created_at' | 'rotated_at' | 'health'>

const DELETED: Health = {
  tone: 'unsure',
  badge: 'deleted',
  why: 'Its token was destroyed; the figures of its sites stay as they are.',
  next: null,
  replace: false,
}
const HEALTHY: Health = { tone: 'good', badge: 'active', why: null, next: null, replace: false }

/** How a credential's polling fares, in words: why, and what to do next. */
export function healthOf(line: Polled, now: number): Health {
  if (line.reason === 'credential_deleted') return DELETED
  if (line.state === 'parked') return { ...told('parked', line.reason), tone: 'bad', replace: true }
  const run = lastRunOf(line)
  if (run !== null && run.state !== null && run.state !== 'complete') return told(run.state, run.reason)
  return silence(line, now) ?? HEALTHY
}

/** What an older token came to says nothing of the one that took its place. */
function lastRunOf({ health, rotated_at }: Polled) {
  const run = health?.last_run ?? null
  if (run === null || rotated_at === null) return run
  return Date.parse(run.ended_at) < Date.parse(rotated_at) ? null : run
}

function told(state: RunState, reason: string | null): Health {
  const { meaning, next, replace = false } = runWords(state, reason)
  return { tone: replace ? 'bad' : 'unsure', badge: state, why: meaning, next, replace }
}

/** No bad news is no good news either once the last good news is old. */
function silence(line: Pick<Line, 'last_success_at' | 'created_at'>, now: number): Health | null {
  const since = Date.parse(line.last_success_at ?? line.created_at)
  const unsure = { tone: 'unsure', replace: false } as const
  if (now - since > STALE_AFTER_MS) {
    const why =
      line.last_success_at === null
        ? `It was never polled, though it was connected ${formatAge(since, now)}.`
        : `Its last successful poll was ${formatAge(since, now)}; one is due every few minutes.`
    return { ...unsure, badge: 'late', why, next: 'If it stays so, ask the operator of this deployment.' }
  }
  if (line.last_success_at !== null) return null
  return { ...unsure, badge: 'first poll due', why: null, next: 'Its first numbers arrive within a minute or two.' }
}
