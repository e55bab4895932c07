import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { challengeHeaders } from '../domain/contracts/challenge.ts'
import { answeringChallenge } from './challenge.ts'
import { CommandRefused } from './command.ts'
import { awaitAnswer, type Waiting } from './device-login.ts'
import { fetchJson } from './http.ts'
import { asUser, findSession, saveSession } from './session.ts'

const BIN = join(import.meta.dirname, 'flarewatch.mjs')
const START = 1_800_000_000_000
const LIFETIME = 5 * 60_000

/** A wait whose time is what it paused for, and the questions that it asked, each at its second. */
function waiting(answers: (nth: number) => Awaited<ReturnType<Waiting['collect']>> | Error) {
  let now = START
  const asked: number[] = []
  const wait = awaitAnswer({
    collect: async () => {
      asked.push((now - START) / 1000)
      const answer = answers(asked.length)
      if (answer instanceof Error) throw answer
      return answer
    },
    now: () => now,
    pause: async (ms) => {
      now += ms
    },
    until: START + LIFETIME,
  })
  return { wait, asked }
}
const codeOf = (wait: Promise<unknown>) =>
  wait.then(
    () => null,
    (error: unknown) => (error instanceof CommandRefused ? error.code : String(error)),
  )

describe('a command line that waits to be let in', () => {
  test('asks every 2 seconds and takes what comes', async () => {
    const { wait, asked } = waiting((nth) => (nth < 3 ? { state: 'pending' } : { state: 'approved', sealed: 'x' }))
    expect([await wait, asked]).toEqual(['x', [2, 4, 6]])
  })

  test('asks 5 seconds later each time that it is told to slow down, from then on', async () => {
    const { wait, asked } = waiting((nth) => ({ state: nth === 1 || nth === 2 ? 'slow_down' : 'pending' }))
    expect([await codeOf(wait), asked.slice(0, 5)]).toEqual(['login_expired', [2, 9, 21, 33, 45]])
  })

  test('ends at once with a refusal, and after 5 minutes with none', async () => {
    const denied = waiting(() => ({ state: 'denied' }))
    expect([await codeOf(denied.wait), denied.asked]).toEqual(['login_denied', [2]])
    const late = waiting(() => ({ state: 'pending' }))
    expect([await codeOf(late.wait), late.asked.at(-1)]).toEqual(['login_expired', 298])
  })

  test('outlasts a server that is away, asking less and less, and no other failure', async () => {
    const away = new CommandRefused('unreachable', '')
    const out = waiting((nth) => (nth < 3 ? away : { state: 'approved', sealed: 'x' }))
    expect([await out.wait, out.asked]).toEqual(['x', [2, 6, 14]])
    const broken = waiting(() => new CommandRefused('answer_invalid', ''))
    expect(await codeOf(broken.wait)).toBe('answer_invalid')
  })
})

describe('login without a terminal', () => {
  const Refusal = z.object({ ok: z.literal(false), error: z.object({ code: z.string(), message: z.string() }) })
  const refusal = (...args: string[]) => {
    const dir = testFolder()
    const { status, stdout } = spawnSync(process.execPath, [BIN, 'login', ...args, '--data', dir, '--json'])
    return { status, ...Refusal.parse(JSON.parse(stdout.toString())).error }
  }

  test('says what to do instead', () => {
    const { status, code, message } = refusal()
    expect([status, code]).toEqual([2, 'not_a_terminal'])
    for (const way of ['--email', '--no-browser']) expect(message).toContain(way)
  })

  test('takes no mixture of the two ways', () => {
    expect(refusal('--no-browser', '--email', 'a@b.test')).toMatchObject({ status: 2, code: 'usage' })
  })
})

describe('RFC 9470: an act that is asked for a code', () => {
  const FACTOR = '5a0e7d4f-2e66-4c9f-8b3c-4d7b8f9a0b12'

  test('A3: asks once, raises the session and is done again', async () => {
    const { dir, url, act } = await challenging('raised')
    expect(await answeringChallenge(dir, act, async () => '123456')).toEqual({ done: true })
    expect(findSession(dir)).toMatchObject({ access_token: 'raised', refresh_token: 'r2', gateway_url: url })
  })

  test('A3: is refused for good the second time, and at once where there is nobody to ask', async () => {
    const { dir, act, acts } = await challenging('still too old')
    expect(await codeOf(answeringChallenge(dir, act, async () => '123456'))).toBe('aal2_stale')
    expect(acts()).toBe(2)
    expect(await codeOf(answeringChallenge(dir, act, null))).toBe('aal2_stale')
    expect(acts()).toBe(3)
  })

  /** Auth and an act that wants the token `raised`, both at one address; whoever is verified gets `next`. */
  async function challenging(next: string) {
    let acts = 0
    const server = createServer((request, response) => {
      const reply = (status: number, body: object, headers = {}) =>
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
      const code = 'aal2_stale'
      if (request.url === '/act') {
        acts += 1
        if (request.headers.authorization === 'Bearer raised') return reply(200, { done: true })
        return reply(403, { error: { code, message: code, request_id: FACTOR } }, challengeHeaders(code))
      }
      if (request.url === '/auth/v1/user') {
        return reply(200, { factors: [{ id: FACTOR, factor_type: 'totp', status: 'verified' }] })
      }
      if (request.url === `/auth/v1/factors/${FACTOR}/challenge`) return reply(200, { id: 'c' })
      if (request.url === `/auth/v1/factors/${FACTOR}/verify`) {
        return reply(200, { access_token: next, refresh_token: 'r2', expires_at: LATER })
      }
      return reply(404, {})
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void server.close())
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
    const url = `http://127.0.0.1:${address.port}`
    const dir = testFolder()
    const tokens = { access_token: 'old', refresh_token: 'r1', expires_at: LATER, email: 'a@b.test' }
    saveSession(dir, { gateway_url: url, supabase_url: url, publishable_key: 'k', ...tokens })
    const act = (session: Parameters<typeof asUser>[0]) =>
      fetchJson(`${url}/act`, { headers: asUser(session) }, z.object({ done: z.boolean() }))
    return { dir, url, act, acts: () => acts }
  }
})

const LATER = Math.floor(Date.now() / 1000) + 3600

function testFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-login-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
