import type { z } from 'zod'
import { historyWords } from '../../../domain/backfill/words.ts'
import { type CredentialLine, CredentialsResponse } from '../../../domain/contracts/api.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { asUser, chosenTenant, currentSession } from '../../session.ts'

/** V6: the last four characters of each, how it fares, and how far its history is read. */
export const credentialList: Command = {
  usage: 'flarewatch credential list [--tenant T]',
  summary: 'the stored credentials, how each fares, and how far its history is read',
  options: { tenant: { type: 'string' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const headers = asUser(session, tenantId)
    const { credentials } = await fetchJson(`${session.gateway_url}/api/credentials`, { headers }, CredentialsResponse)
    return {
      document: { ok: true, tenant_id: tenantId, credentials },
      text: credentials.length === 0 ? 'No credential is stored' : credentials.map(textOf).join('\n'),
      exit: EXIT.ok,
    }
  },
}

function textOf({ id, provider, label, last4, state, reason, history }: z.output<typeof CredentialLine>): string {
  const line = `${id}  ${provider}  ${label} ····${last4}  ${reason === null ? state : `${state}: ${reason}`}`
  const words = history === null ? null : historyWords(history)
  return words === null ? line : `${line}\n  ${words}`
}
