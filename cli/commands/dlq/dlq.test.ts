import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const BIN = join(import.meta.dirname, '..', '..', 'flarewatch.mjs')
const TENANT = '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11'
const CREDENTIAL = '5a7d2f9c-2f5b-4b0e-9f0a-6c1d2e3f4a55'
const JOB = '0b9f8a52-5f0e-4f0a-9d65-7f8f2f6f3a11'
const AGAIN = '1c0f8a52-5f0e-4f0a-9d65-7f8f2f6f3a22'
const USER = '2d1f8a52-5f0e-4f0a-9d65-7f8f2f6f3a33'
const DIED = '2026-11-26T02:15:00.000Z'
const LETTER = {
  id: JOB,
  kind: 'poll',
  credential_id: CREDENTIAL,
  provider: 'stripe',
  label: 'Shop',
  reason: 'provider_timeout',
  tries: 2,
  created_at: DIED,
  died_at: DIED,
  made_good: false,
  replay: null,
}
const CREDENTIAL_LINE = {
  id: CREDENTIAL,
  provider: 'stripe',
  label: 'Shop',
  last4: 'wxyz',
  scope: 'reads balance transactions',
  grade: 'read_only',
  can: [],
  excess: [],
  state: 'active',
  reason: 'provider_timeout',
  last_used_at: DIED,
  last_success_at: DIED,
  created_at: DIED,
  rotated_at: null,
  deleted_at: null,
  webhook_of: null,
  webhook: null,
  history: null,
  health: {
    last_run: { state: 'failed', reason: 'provider_timeout', ended_at: DIED },
    complete_until: '2026-11-26T00:00:00.000Z',
    lag_seconds: 8100,
    next_run_at: '2020-01-01T00:00:00.000Z',
    error_budget: { runs: 400, incomplete: 1, left: 0.75 },
  },
}

const dir = mkdtempSync(join(tmpdir(), 'flarewatch-dlq-'))
let asked: { readonly path: string; readonly headers: Record<string, unknown>; readonly body: string }[] = []
let answers: Record<string, { readonly status?: number; readonly body: unknown }>
let server: Server

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('')
    const path = request.url ?? ''
    asked.push({ path, headers: request.headers, body })
    const { status = 200, body: answer } = answers[path] ?? { status: 404, body: refusal('not_found') }
    response.writeHead(status).end(JSON.stringify(answer))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  const url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
  const session = { gateway_url: url, supabase_url: url, publishable_key: 'k', email: 'e', access_token: 'a' }
  mkdirSync(join(dir, 'secrets'))
  writeFileSync(
    join(dir, 'secrets', 'session.json'),
    JSON.stringify({ ...session, refresh_token: 'r', expires_at: Date.now() }),
  )
})
afterAll(() => {
  server.close()
  rmSync(dir, { recursive: true })
})
beforeEach(() => {
  asked = []
})

const refusal = (code: string) => ({ error: { code, message: 'Not that.', request_id: JOB } })

describe('dlq', () => {
  test('list and show tell a script the line, and a person what it means and what to do', async () => {
    answers = {
      '/api/dead-letters': { body: { dead_letters: [LETTER], more: true } },
      [`/api/dead-letters/${JOB}`]: {
        body: {
          dead_letter: {
            ...LETTER,
            made_good: true,
            replay: { at: DIED, by: USER, job_id: AGAIN, state: 'throttled', reason: 'provider_rate_limited' },
          },
        },
      },
    }
    const [status, stdout] = await flarewatch('dlq', 'list', '--json')
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      { ok: true, tenant_id: TENANT, more: true, dead_letters: [LETTER] },
    ])
    expect(asked).toMatchObject([{ path: '/api/dead-letters', headers: { 'flarewatch-tenant': TENANT } }])
    const [, shown] = await flarewatch('dlq', 'show', JOB)
    expect(shown).toBe(
      [
        `2026-11-26 02:15:00 UTC  poll of Shop (stripe)  ${JOB}`,
        '  The provider did not answer in time. (provider_timeout, leased 2 times)',
        '  A later run was complete: nothing is missing.',
        `  Replayed 2026-11-26 02:15:00 UTC as ${AGAIN}: throttled. The provider asked to slow down.`,
        '',
      ].join('\n'),
    )
  })

  test('replay asks for a permission for this very request, and then for the act', async () => {
    const dead_letter = { id: JOB, replayed_at: DIED, replayed_by: USER, job_id: AGAIN }
    answers = {
      '/functions/v1/step-up': { body: { token: 'fwsu_token', expires_at: DIED } },
      '/functions/v1/dead-letter-replay': { body: { dead_letter } },
    }
    const [status, stdout] = await flarewatch('dlq', 'replay', JOB, '--json')
    expect([status, JSON.parse(stdout)]).toEqual([0, { ok: true, tenant_id: TENANT, dead_letter }])
    const [stepUp, act] = asked.map(({ body }) => JSON.parse(body))
    expect(stepUp).toMatchObject({ tenant_id: TENANT, action: 'dead_letter.replay', target_id: JOB })
    expect(act).toEqual({ tenant_id: TENANT, job_id: JOB })
    expect(asked[1]?.headers).toMatchObject({
      'flarewatch-step-up': 'fwsu_token',
      'idempotency-key': expect.any(String),
    })
  })

  test('what is refused is told by its code, and what is no id by how it is used', async () => {
    answers = { '/functions/v1/step-up': { status: 403, body: refusal('role_insufficient') } }
    const [status, stdout] = await flarewatch('dlq', 'replay', JOB, '--json')
    expect([status, JSON.parse(stdout)]).toMatchObject([1, { ok: false, error: { code: 'role_insufficient' } }])
    const [usage, text] = await flarewatch('dlq', 'show', 'x', '--json')
    expect([usage, JSON.parse(text)]).toMatchObject([2, { ok: false, error: { code: 'usage' } }])
  })
})

test('credential list tells how each fares: last run, last complete window, lag, next run, error budget', async () => {
  answers = { '/api/credentials': { body: { credentials: [CREDENTIAL_LINE] } } }
  const [status, stdout] = await flarewatch('credential', 'list')
  expect([status, stdout]).toEqual([
    0,
    [
      `Shop  stripe ····wxyz  ${CREDENTIAL}`,
      '  failed (provider_timeout), last run 2026-11-26 02:15:00 UTC',
      '  The provider did not answer in time. Nothing to do: polling goes on by itself.',
      '  complete until 2026-11-26 00:00:00 UTC, 2 h 15 min behind; next run due now',
      '  error budget 75 % left: 1 of 400 runs not complete in 7 days',
      '',
    ].join('\n'),
  ])
  const [, json] = await flarewatch('credential', 'list', '--json')
  expect(JSON.parse(json)).toEqual({ ok: true, tenant_id: TENANT, credentials: [CREDENTIAL_LINE] })
})

async function flarewatch(...args: string[]): Promise<[number | null, string]> {
  const child = spawn(process.execPath, [BIN, ...args, '--tenant', TENANT, '--data', dir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  return [status, stdout]
}
