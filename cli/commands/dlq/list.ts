import { DeadLettersResponse } from '../../../domain/contracts/api.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { asUser, chosenTenant, currentSession } from '../../session.ts'
import { deadLetterText } from './line.ts'

/** Runs that every try failed of, newest first. */
export const dlqList: Command = {
  usage: 'flarewatch dlq list [--tenant T]',
  summary: 'runs that were given up, why, and whether a later one made them good',
  options: { tenant: { type: 'string' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const tenantId = await chosenTenant(await currentSession(dir), values.tenant)
    const { dead_letters, more } = await answeringChallenge(dir, (session) =>
      fetchJson(`${session.gateway_url}/api/dead-letters`, { headers: asUser(session, tenantId) }, DeadLettersResponse),
    )
    const end = more ? ['Older dead letters are not listed'] : []
    return {
      document: { ok: true, tenant_id: tenantId, more, dead_letters },
      text:
        dead_letters.length === 0 ? 'No run was given up' : [...dead_letters.map(deadLetterText), ...end].join('\n\n'),
      exit: EXIT.ok,
    }
  },
}
