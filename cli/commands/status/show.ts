import type { z } from 'zod'
import { StatusResponse } from '../../../domain/contracts/api.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { fetchJson, fetchText } from '../../http.ts'
import { type RunFile, requireRunFile } from '../../run-file.ts'
import { currentSession, findSession } from '../../session.ts'
import { logParts } from './log-part.ts'

/** A tenant's own parts are shown to its members alone: by the session that login left, or by an access token given here. */
const TOKEN_VARIABLE = 'FLAREWATCH_TOKEN'

type Status = z.infer<typeof StatusResponse>
type Part = Status['parts'][number]
type Tenant = Pick<Status, 'parts' | 'figures'>

export const statusShow: Command = {
  usage: 'flarewatch status',
  summary: "how the stack on DIR is doing; signed in, your tenant's parts, queue and receipts too",
  options: {},
  positionals: 0,
  async run({ dir }: Arguments) {
    const run = requireRunFile(dir)
    const [tenant, ...groups] = await Promise.all([tenantOf(run, dir), gateway(run), signIn(run), receiptKey(run)])
    const parts = [...groups.flat(), ...tenant.parts]
    const ok = parts.every(({ state }) => state === 'ok')
    const lines = parts.map(({ name, state, detail }) => `  ${name.padEnd(14)} ${state.padEnd(9)} ${detail}`)
    return {
      document: { ok, gateway_url: run.gateway_url, pid: run.pid, parts, figures: tenant.figures },
      text: [`${ok ? 'ok' : 'not ok'}: ${run.gateway_url}`, ...lines].join('\n'),
      exit: ok ? EXIT.ok : EXIT.failed,
    }
  },
}

async function gateway({ gateway_url }: RunFile): Promise<Part[]> {
  return [part('gateway', (await get(`${gateway_url}/api/config`)) !== undefined)]
}

async function signIn({ supabase_url, publishable_key }: RunFile): Promise<Part[]> {
  return [part('sign-in', (await get(`${supabase_url}/auth/v1/health`, { apikey: publishable_key })) !== undefined)]
}

/** The key that signs receipts is the one that this data directory began with. */
async function receiptKey({ gateway_url, log_vkey }: RunFile): Promise<Part[]> {
  const keys = await get(`${gateway_url}/.well-known/log-keys.txt`)
  if (keys === undefined) return [part('receipt key', false)]
  const isOurs = keys.split('\n').includes(log_vkey)
  return [
    { name: 'receipt key', state: isOurs ? 'ok' : 'degraded', detail: isOurs ? log_vkey : 'another key is served' },
  ]
}

async function tenantOf(run: RunFile, dir: string): Promise<Tenant> {
  try {
    const token = process.env[TOKEN_VARIABLE] ?? (await tokenFor(run, dir))
    if (token === null) return { parts: [], figures: null }
    const headers = { authorization: `Bearer ${token}` }
    const [status, logs] = await Promise.all([
      fetchJson(`${run.gateway_url}/api/status`, { headers }, StatusResponse),
      logParts({ run, dir, headers }),
    ])
    return { parts: [...status.parts, ...logs], figures: status.figures }
  } catch (error) {
    if (!(error instanceof CommandRefused)) throw error
    return { parts: [{ name: 'tenant', state: 'down', detail: error.message }], figures: null }
  }
}

/** A session on another deployment says nothing about this one, and its token is not shown to it. */
async function tokenFor(run: RunFile, dir: string): Promise<string | null> {
  if (findSession(dir)?.gateway_url !== run.gateway_url) return null
  return (await currentSession(dir)).access_token
}

function part(name: string, answers: boolean): Part {
  return answers ? { name, state: 'ok', detail: 'answers' } : { name, state: 'down', detail: 'does not answer' }
}

/** The body of a 200, or undefined. */
async function get(url: string, headers: Record<string, string> = {}): Promise<string | undefined> {
  return fetchText(url, { headers }).catch(() => undefined)
}
