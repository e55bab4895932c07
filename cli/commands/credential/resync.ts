import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { CredentialResync, IDEMPOTENCY_HEADER } from '../../../domain/contracts/functions.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { asUser, chosenTenant, currentSession, type Session } from '../../session.ts'

const Request = CredentialResync.request.omit({ tenant_id: true })
const Text = z.string().optional()

/** Has a window read again. What is stored of it stays until what is read takes its place. */
export const credentialResync: Command = {
  usage: 'flarewatch credential resync ID --from YYYY-MM-DD --to YYYY-MM-DD [--site SITE] [--tenant T]',
  summary: 'have some days of an account read again; both are included',
  options: {
    from: { type: 'string' },
    to: { type: 'string' },
    site: { type: 'string' },
    tenant: { type: 'string' },
  },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const site_id = Text.parse(values.site)
    const asked = Request.safeParse({ credential_id: positionals[0], from: values.from, to: values.to, site_id })
    if (!asked.success) {
      const message = 'ID is the id of a credential, SITE of a site; --from and --to are days, as in 2026-03-29'
      throw new CommandRefused('usage', message, EXIT.usage)
    }
    const body = JSON.stringify({
      ...asked.data,
      tenant_id: await chosenTenant(await currentSession(dir), values.tenant),
    })
    // One key for both tries: a code that is asked for between them makes no second request of it.
    const key = randomUUID()
    const { resync } = await answeringChallenge(dir, (session) => post(session, body, key))
    const sites = `${resync.sites} ${resync.sites === 1 ? 'site' : 'sites'}`
    return {
      document: { ok: true, resync },
      text: `${resync.from} to ${resync.to} of ${sites} will be read again; flarewatch credential list shows how far it is`,
      exit: EXIT.ok,
    }
  },
}

function post(session: Session, body: string, key: string) {
  const headers = {
    ...asUser(session),
    apikey: session.publishable_key,
    'content-type': 'application/json',
    [IDEMPOTENCY_HEADER]: key,
  }
  const url = `${session.supabase_url.replace(/\/$/, '')}/functions/v1/credential-resync`
  return fetchJson(url, { method: 'POST', headers, body }, CredentialResync.response)
}
