import type { z } from 'zod'
import type { DeadLetterLine } from '../contracts/api.ts'
import { runWords } from './words.ts'

type Replay = NonNullable<z.output<typeof DeadLetterLine>['replay']>

const KINDS: Readonly<Record<string, string>> = { poll: 'poll', reseal: 're-encryption', backfill: 'history' }

/** What a job was for, in words. */
export function kindText(kind: string): string {
  return KINDS[kind] ?? kind
}

/** Each lease is up to six tries. */
export function leasesText(leases: number): string {
  return leases === 1 ? 'leased once' : `leased ${leases} times`
}

/** What the job that took a dead letter's place came to. */
export function replayText({ state, reason }: Pick<Replay, 'state' | 'reason'>): string {
  if (state === 'under_way') return 'under way'
  if (state === 'gone') return 'done more than a week ago'
  return reason === null ? state : `${state}. ${runWords(state, reason).meaning}`
}
