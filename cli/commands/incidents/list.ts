import type { z } from 'zod'
import { IncidentsResponse } from '../../../domain/contracts/api.ts'
import { incidentWords, partWords } from '../../../domain/incidents/words.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { asUser, chosenTenant, currentSession } from '../../session.ts'

type Line = z.output<typeof IncidentsResponse>['incidents'][number]

/** L4: what went wrong in the agency's log, with its keys and with its polls, newest first. */
export const incidentsList: Command = {
  usage: 'flarewatch incidents list [--tenant T] [--open]',
  summary: 'what went wrong, where it begins and what to do about it',
  options: { tenant: { type: 'string' }, open: { type: 'boolean' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const url = `${session.gateway_url}/api/incidents?state=${values.open === true ? 'open' : 'all'}`
    const { incidents, open, more } = await fetchJson(url, { headers: asUser(session, tenantId) }, IncidentsResponse)
    const told = incidents.map((line) => ({ ...line, ...incidentWords(line.kind) }))
    return {
      document: { ok: true, tenant_id: tenantId, open, more, incidents: told },
      text: [...incidents.map(textOf), summary(open, more)].join('\n\n'),
      exit: EXIT.ok,
    }
  },
}

function textOf({ kind, seq, part, at, acknowledged_at }: Line): string {
  const { title, meaning, next } = incidentWords(kind)
  const state = acknowledged_at === null ? '' : ', acknowledged'
  return [
    `${at.slice(0, 19).replace('T', ' ')} UTC  ${title}${seq === null ? '' : `, from row ${seq} on`}  (${kind}${state})`,
    `  ${meaning}`,
    `  Found by ${partWords(part)}.`,
    `  ${next}`,
  ].join('\n')
}

function summary(open: number, more: boolean): string {
  return `${open === 0 ? 'No incident is' : `${open} ${open === 1 ? 'incident is' : 'incidents are'}`} open${more ? '; older ones are not listed' : ''}`
}
