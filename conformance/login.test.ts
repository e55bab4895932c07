import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { TOTP } from 'otpauth'
import type { Browser, Page, Route } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { loginCodeOf, loginFragment, loginPickupIdOf } from '../domain/device-login/login.ts'
import { type Agency, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { files } from './canary/places/files.ts'
import { Scanner } from './canary/scanner.ts'
import { secret } from './canary/secrets.ts'
import { Sweep } from './canary/sweep.ts'
import { CLI, type Finished, type Running, start } from './command.ts'
import { DESKTOP, looksRight, shoot } from './pages.ts'
import { signInAgain } from './person.ts'
import { runningStack } from './running.ts'
import { setClockOffset, until } from './stack.ts'

/** `flarewatch login` with every part: the command line waits, a person lets it in on the dashboard's page. */
const run = runningStack()
const home = mkdtempSync(join(tmpdir(), 'flarewatch-login-'))
const sessionFile = join(home, 'secrets', 'session.json')
const Tokens = z.object({ access_token: z.string(), refresh_token: z.string() })
const FIVE_MINUTES = 5 * 60_000

let agency: Agency
let browser: Browser
let close: () => Promise<void>
let page: Page
/** What went between browser and gateway, and between browser and Auth. */
const relayed: string[] = []
const issued: z.infer<typeof Tokens>[] = []
const asked: string[] = []

beforeAll(async () => {
  agency = await foundAgency(run)
  const opened = await openBrowser()
  browser = opened.browser
  close = opened.close
  page = await signedInPage()
})
afterEach(() => setClockOffset(run, 0))
afterAll(async () => {
  await close?.()
  rmSync(home, { recursive: true, force: true })
})

describe('flarewatch login', () => {
  test('T1: an address without the code of the terminal signs nobody in', async () => {
    const login = await begun()
    await page.goto(login.url)
    await page.getByText('Only go on if you started this yourself').waitFor()
    await looksRight(page, 'login-device')
    await fill('0000-0000')
    await page.getByRole('button', { name: 'Sign the command line in' }).click()
    await page.getByText('This is not the code of the command line').waitFor()
    await shoot(page, 'login-device-wrong-code')
    expect(asked.filter(isSignIn)).toEqual([])
    login.running.child.kill()
    await login.running.finished
  })

  test('T1 A3: the browser lets it in, with a session of its own at AAL2 that nothing between the two can read', async () => {
    const { url, code, running } = await begun()
    await page.goto(url)
    await fill(code.toLowerCase().replace('-', ' '))
    await page.getByRole('button', { name: 'Sign the command line in' }).click()
    await page.getByText('Approved. The command line goes on as').waitFor()
    await shoot(page, 'login-device-done')
    const finished = await running.finished
    const { email } = agency.owner
    expect([finished.status, documentOf(finished)]).toMatchObject([0, { ok: true, email, path: sessionFile }])
    expect(statSync(sessionFile).mode & 0o777).toBe(0o600)

    const held = Tokens.parse(JSON.parse(readFileSync(sessionFile, 'utf8')))
    expect(issued.at(-1)).toEqual(held)
    const claims = decodeJwt(held.access_token)
    expect(claims.aal).toBe('aal2')
    expect(claims.session_id).not.toBe(decodeJwt(await agency.owner.token()).session_id)
    for (const part of [finished.stdout, finished.stderr, await keptByThePage(), ...relayed]) expectNone(part, held)
    expect(relayed.some((text) => text.includes('"approve"'))).toBe(true)
    const sweep = new Sweep(
      new Scanner([secret('access token', held.access_token), secret('refresh token', held.refresh_token)]),
    )
    await sweep.over(files(inject('dataDir')))
    expect(sweep.findings.filter(({ place }) => place === 'workers do' || place === 'logs')).toEqual([])
    expect(sweep.places.filter(({ bytes }) => bytes > 0).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['workers do', 'logs']),
    )
  })

  test('a refusal on the page ends the wait', async () => {
    const { url, running } = await begun()
    await page.goto(url)
    await page.getByRole('button', { name: 'I did not start this: refuse' }).click()
    await page.getByText('Refused. The command line was told').waitFor()
    const finished = await running.finished
    expect([finished.status, documentOf(finished)]).toMatchObject([1, { ok: false, error: { code: 'login_denied' } }])
  })

  test('T1: an address that has run out, or was changed on its way, signs nobody in', async () => {
    asked.length = 0
    const now = Math.floor(Date.now() / 1000)
    const login = { publicKey: randomBytes(32), pickupId: randomBytes(32), until: now - 1 }
    for (const [opened, says] of [
      [login, 'This login has run out'],
      [{ ...login, until: now + 60 }, 'This is not the code of the command line'],
    ] as const) {
      await page.goto(`${run.gateway_url}/login/device/#${loginFragment(opened)}`)
      await page.reload()
      await fill(loginCodeOf(login, run.gateway_url))
      await page.getByRole('button', { name: 'Sign the command line in' }).click()
      await page.getByText(says).waitFor()
    }
    expect(asked.filter(isSignIn)).toEqual([])
  })
})

describe('the relay of a login', () => {
  test('T1: gives an answer out once, to the secret alone, and not after 5 minutes', async () => {
    const [token, taken, late] = [await agency.owner.token(), pickup(), pickup()]
    for (const { id } of [taken, late]) {
      expect(await post('answer', { act: 'approve', pickup_id: id, sealed: 'c2VhbGVk' }, token)).toEqual([
        200,
        undefined,
      ])
      expect(await post('answer', { act: 'deny', pickup_id: id }, token)).toEqual([409, 'login_answered'])
    }
    expect(await collected(taken.id)).toEqual({ state: 'pending' })
    expect(await collected(taken.secret)).toEqual({ state: 'approved', sealed: 'c2VhbGVk' })
    expect(await collected(taken.secret)).toEqual({ state: 'pending' })
    expect(await collected(taken.secret)).toEqual({ state: 'slow_down' })
    await setClockOffset(run, FIVE_MINUTES)
    expect(await collected(late.secret)).toEqual({ state: 'pending' })
  })

  test('T1: takes a session from nobody below AAL2, a refusal from no stranger, and nothing that is no request', async () => {
    const password = await (await signInAgain(run, agency.owner)).token()
    const approval = { act: 'approve', pickup_id: pickup().id, sealed: 'c2VhbGVk' }
    expect(await post('answer', approval, password)).toEqual([403, 'aal2_required'])
    expect(await post('answer', approval)).toEqual([401, 'unauthenticated'])
    expect(await post('answer', { act: 'deny', pickup_id: pickup().id })).toEqual([401, 'unauthenticated'])
    expect(await post('answer', { act: 'deny', pickup_id: pickup().id }, password)).toEqual([200, undefined])
    const token = await agency.owner.token()
    expect(await post('answer', { ...approval, sealed: 'A'.repeat(30_000) }, token)).toEqual([413, 'request_too_large'])
    for (const body of [{ ...approval, sealed: '' }, { ...approval, pickup_id: 'A' }, null, []]) {
      expect(await post('answer', body, token)).toEqual([422, 'request_invalid'])
    }
    expect(await post('collect', { pickup_secret: 'A'.repeat(42) })).toEqual([422, 'request_invalid'])
    for (const name of ['answer', 'collect']) {
      const read = await fetch(`${run.gateway_url}/api/login/${name}`)
      expect([read.status, read.headers.get('allow')]).toEqual([405, 'POST'])
    }
  })
})

/** Another session, or something left for a command line. */
const isSignIn = (path: string) => /auth\/v1\/(token|factors)|api\/login/.test(path)

type Begun = { readonly url: string; readonly code: string; readonly running: Running }

async function begun(): Promise<Begun> {
  asked.length = 0
  const args = ['login', '--no-browser', '--url', run.gateway_url, '--json', '--data', home]
  const running = start([...CLI, ...args])
  let told = ''
  running.child.stderr?.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  await until(async () => /learn: \S+\n/.test(told), 'the command printed its code')
  return { url: /http\S+/.exec(told)?.[0] ?? '', code: /learn: (\S+)/.exec(told)?.[1] ?? '', running }
}

async function fill(code: string): Promise<void> {
  await page.getByLabel('Code that your command line shows').fill(code)
  await page.getByLabel('Password').fill(agency.owner.password)
  await page.getByLabel('Six-digit code').fill(new TOTP({ secret: agency.totpSecret }).generate())
}

/** The owner's own session, as the browser keeps it. */
async function signedInPage(): Promise<Page> {
  const { data } = await agency.owner.supabase.auth.getSession()
  const storageKey = z.object({ storageKey: z.string() }).parse(agency.owner.supabase.auth).storageKey
  const context = await browser.newContext({ viewport: DESKTOP })
  await context.addInitScript(
    ([name, value]) => localStorage.setItem(name ?? '', value ?? ''),
    [storageKey, JSON.stringify(data.session)],
  )
  await context.route(/\/(api|auth\/v1)\//, keep)
  return context.newPage()
}

async function keep(route: Route): Promise<void> {
  const request = route.request()
  const response = await route.fetch()
  const text = await response.text()
  asked.push(new URL(request.url()).pathname)
  if (request.url().startsWith(run.gateway_url)) {
    relayed.push(JSON.stringify(request.headers()), request.postData() ?? '', text)
  } else {
    const tokens = Tokens.safeParse(text.startsWith('{') ? JSON.parse(text) : null)
    if (tokens.success) issued.push({ ...tokens.data })
  }
  await route.fulfill({ response })
}

function keptByThePage(): Promise<string> {
  return page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.documentElement.outerHTML]),
  )
}

function expectNone(text: string, { access_token, refresh_token }: z.infer<typeof Tokens>): void {
  for (const token of [access_token, refresh_token]) expect(text).not.toContain(token)
}

function pickup(): { readonly id: string; readonly secret: string } {
  const bytes = randomBytes(32)
  return { id: Buffer.from(loginPickupIdOf(bytes)).toString('base64url'), secret: bytes.toString('base64url') }
}

async function post(name: string, body: unknown, token?: string): Promise<[number, string | undefined]> {
  const response = await fetch(`${run.gateway_url}/api/login/${name}`, {
    method: 'POST',
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })
  const answer = (await response.json()) as { error?: { code?: string } }
  return [response.status, answer.error?.code]
}

async function collected(pickup_secret: string): Promise<unknown> {
  const init = { method: 'POST', body: JSON.stringify({ pickup_secret }) }
  return (await fetch(`${run.gateway_url}/api/login/collect`, init)).json()
}

function documentOf({ stdout }: Finished): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(JSON.parse(stdout))
}
