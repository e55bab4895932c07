import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { StatusResponse } from '../../../domain/contracts/api.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'

const TIMEOUT_MS = 10_000
const MAX_ANSWER_CHARACTERS = 64 * 1024
/** A tenant's own parts are shown to its members alone: an access token of one of them. */
const TOKEN_VARIABLE = 'FLAREWATCH_TOKEN'

const RunFile = z.object({
  pid: z.int().positive(),
  gateway_url: z.url(),
  supabase_url: z.url(),
  publishable_key: z.string(),
  log_vkey: z.string(),
})
type RunFile = z.infer<typeof RunFile>
type Part = z.infer<typeof StatusResponse>['parts'][number]

export const statusShow: Command = {
  usage: 'flarewatch status',
  summary: `how the stack on DIR is doing; with ${TOKEN_VARIABLE} set, your tenant's parts too`,
  options: {},
  positionals: 0,
  async run({ dir }: Arguments) {
    const run = readRunFile(dir)
    const token = process.env[TOKEN_VARIABLE]
    const groups = [gateway(run), signIn(run), receiptKey(run), ...(token === undefined ? [] : [tenant(run, token)])]
    const parts = (await Promise.all(groups)).flat()
    const ok = parts.every(({ state }) => state === 'ok')
    const lines = parts.map(({ name, state, detail }) => `  ${name.padEnd(14)} ${state.padEnd(9)} ${detail}`)
    return {
      document: { ok, gateway_url: run.gateway_url, pid: run.pid, parts },
      text: [`${ok ? 'ok' : 'not ok'}: ${run.gateway_url}`, ...lines].join('\n'),
      exit: ok ? EXIT.ok : EXIT.failed,
    }
  },
}

function readRunFile(dir: string): RunFile {
  try {
    return RunFile.parse(JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')))
  } catch {
    throw new CommandRefused('not_running', `No stack runs on ${dir}. Start one: npm start`)
  }
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

async function tenant({ gateway_url }: RunFile, token: string): Promise<Part[]> {
  const text = await get(`${gateway_url}/api/status`, { authorization: `Bearer ${token}` })
  const status = StatusResponse.safeParse(text === undefined ? undefined : JSON.parse(text))
  return status.success
    ? status.data.parts
    : [{ name: 'tenant', state: 'down', detail: `no status for ${TOKEN_VARIABLE}` }]
}

function part(name: string, answers: boolean): Part {
  return answers ? { name, state: 'ok', detail: 'answers' } : { name, state: 'down', detail: 'does not answer' }
}

/** The body of a 200, or undefined. */
async function get(url: string, headers: Record<string, string> = {}): Promise<string | undefined> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
    const text = await response.text()
    return response.ok && text.length <= MAX_ANSWER_CHARACTERS ? text : undefined
  } catch {
    return undefined
  }
}
