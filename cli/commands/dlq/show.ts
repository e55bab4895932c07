import { DeadLetterResponse } from '../../../domain/contracts/api.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { asUser, chosenTenant, currentSession } from '../../session.ts'
import { deadLetterId, deadLetterText } from './line.ts'

export const dlqShow: Command = {
  usage: 'flarewatch dlq show ID [--tenant T]',
  summary: 'one run that was given up, and what its replay came to',
  options: { tenant: { type: 'string' } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const id = deadLetterId(positionals[0])
    const tenantId = await chosenTenant(await currentSession(dir), values.tenant)
    const { dead_letter } = await answeringChallenge(dir, (session) =>
      fetchJson(
        `${session.gateway_url}/api/dead-letters/${id}`,
        { headers: asUser(session, tenantId) },
        DeadLetterResponse,
      ),
    )
    return {
      document: { ok: true, tenant_id: tenantId, dead_letter },
      text: deadLetterText(dead_letter),
      exit: EXIT.ok,
    }
  },
}
