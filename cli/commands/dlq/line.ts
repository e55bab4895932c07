import type { z } from 'zod'
import type { DeadLetterLine } from '../../../domain/contracts/api.ts'
import { JobId } from '../../../domain/contracts/ids.ts'
import { kindText, leasesText, replayText } from '../../../domain/runs/dead-letters.ts'
import { runWords } from '../../../domain/runs/words.ts'
import { CommandRefused, EXIT } from '../../command.ts'

export type DeadLetter = z.output<typeof DeadLetterLine>

export function deadLetterId(named: string | undefined): JobId {
  const id = JobId.safeParse(named)
  if (!id.success) throw new CommandRefused('usage', 'ID is the id of a dead letter: flarewatch dlq list', EXIT.usage)
  return id.data
}

/** What it was, why it was given up, and what came after. */
export function deadLetterText(line: DeadLetter): string {
  const { id, kind, label, provider, reason, tries, died_at, made_good, replay } = line
  const { meaning, next } = runWords('failed', reason)
  return [
    `${utc(died_at)}  ${kindText(kind)} of ${label} (${provider})  ${id}`,
    `  ${meaning} (${reason ?? 'no reason'}, ${leasesText(tries)})`,
    ...(made_good ? ['  A later run was complete: nothing is missing.'] : [`  ${next}`]),
    ...(replay === null ? [] : [`  Replayed ${utc(replay.at)} as ${replay.job_id}: ${replayText(replay)}`]),
  ].join('\n')
}

function utc(instant: string): string {
  return `${instant.slice(0, 19).replace('T', ' ')} UTC`
}
