import { DeadLetterReplay } from '../../../domain/contracts/functions.ts'
import { performAct } from '../../act.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { chosenTenant, currentSession } from '../../session.ts'
import { deadLetterId } from './line.ts'

/** Owner or operator, with a fresh code. Replaying twice gives the same job. */
export const dlqReplay: Command = {
  usage: 'flarewatch dlq replay ID [--tenant T]',
  summary: 'make a new run in the place of one that was given up; it begins within a minute',
  options: { tenant: { type: 'string' } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const id = deadLetterId(positionals[0])
    const tenantId = await chosenTenant(await currentSession(dir), values.tenant)
    const { dead_letter } = await answeringChallenge(dir, (session) =>
      performAct(session, {
        functionName: 'dead-letter-replay',
        action: 'dead_letter.replay',
        targetId: id,
        request: { tenant_id: tenantId, job_id: id },
        answer: DeadLetterReplay.response,
      }),
    )
    return {
      document: { ok: true, tenant_id: tenantId, dead_letter },
      text: `Replayed as ${dead_letter.job_id}, which begins within a minute: flarewatch dlq show ${id}`,
      exit: EXIT.ok,
    }
  },
}
