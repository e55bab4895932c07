import { randomUUID } from 'node:crypto'
import { TOTP } from 'otpauth'
import type { Browser, Page } from 'playwright-core'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Agency, codeOf, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { looksRight } from './pages.ts'
import { type Person, signInAgain, signUp } from './person.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'

/**
 * A lost device, at a browser. It fails when, say, `use_recovery_code` does not ask whether the code was used, or `removeFactors`
 * leaves the factor.
 */
const run = runningStack()
const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })

let agency: Agency
let browser: Browser
let close: () => Promise<void>
let page: Page
let codes: string[]
let locked: Person

beforeAll(async () => {
  agency = await foundAgency(run)
  ;({ browser, close } = await openBrowser())
  page = await (await browser.newContext()).newPage()
})
afterAll(async () => {
  await close?.()
  await sql.end()
})

describe('recovery codes', () => {
  test('are made on the page “Security”, ten, and shown once', async () => {
    await signInWithPassword(page, run, agency.owner, '/security/')
    await enterCode(page, agency.totpSecret)
    await page.getByText('You have no recovery code.').waitFor()
    await looksRight(page, 'security')
    // The owner's first session used its window's code: the codes are made in that one.
    codes = await codesOf(agency.owner)
    await page.reload()
    await page.getByText('You have 10 recovery codes left.').waitFor()
    expect(codes).toHaveLength(10)
  })

  test('T2: lie in no row of the database, and in none that says what was done', async () => {
    const rows = await sql<{ text: string }[]>`
      select row_to_json(r)::text as text from flarewatch.recovery_codes r
      union all select row_to_json(k)::text from flarewatch.idempotency k`
    expect(rows.length).toBeGreaterThanOrEqual(10)
    for (const { text } of rows) for (const code of codes) expect(text).not.toContain(code)
  })

  test('A1: are of no use to a second person, and to nobody without the password', async () => {
    const stranger = await signUp(run)
    expect(codeOf(await redeem(stranger, codes[0]))).toBe('recovery_code_invalid')
    expect(codeOf(await stranger.call('member-reset', { act: 'codes' }))).toBe('aal2_required')
    expect(codeOf(await stranger.call('member-reset', { act: 'left' }))).toBe('aal2_required')
  })
})

describe('a person who lost the device', () => {
  test('A1, A2: is offered a recovery code where the app’s is asked for, and comes to enrolment and no further', async () => {
    locked = await signInAgain(run, agency.owner)
    const lost = await (await browser.newContext()).newPage()
    await signInWithPassword(lost, run, agency.owner)
    await lost.getByRole('button', { name: 'Use a recovery code' }).click()
    await lost.getByLabel('Recovery code').fill('AAAAA AAAAA AAAAA AAAAA')
    await lost.getByRole('button', { name: 'Remove the lost authenticator' }).click()
    await lost.getByText('This recovery code is not right').waitFor()
    await looksRight(lost, 'recovery-code')
    await lost.getByLabel('Recovery code').fill((codes[0] ?? '').toLowerCase().replaceAll('-', ' '))
    await lost.getByRole('button', { name: 'Remove the lost authenticator' }).click()
    await lost.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
    expect(await lost.getByRole('link', { name: 'Credentials' }).count()).toBe(0)
    page = lost
  })

  test('A1: whose other sessions have ended, and see nothing', async () => {
    const { error } = await locked.supabase.auth.refreshSession()
    expect(error).not.toBeNull()
    expect(codeOf(await agency.owner.read('/api/sites'))).toBe('totp_enrolment_required')
  })

  test('A1: enrols again, keeps new codes, and is an owner at AAL2', async () => {
    const secret = (await page.getByTestId('totp-secret').textContent())?.replaceAll(/\s/g, '') ?? ''
    await page.getByLabel('Six-digit code').fill(new TOTP({ secret }).generate())
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor()
    await page.getByTestId('recovery-code').first().waitFor()
    await looksRight(page, 'recovery-codes')
    expect(await page.getByTestId('recovery-code').count()).toBe(10)
    await page.getByRole('button', { name: 'I have kept these codes' }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  })

  test('finds the used code, and all that were made with it, worth nothing', async () => {
    const again = await signInAgain(run, agency.owner)
    expect(codeOf(await redeem(again, codes[0]))).toBe('recovery_code_invalid')
    expect(codeOf(await redeem(again, codes[1]))).toBe('recovery_code_invalid')
  })
})

test('A1: a code that is used in many sessions at once removes the factor once, and raises none', async () => {
  const { owner, tenantId } = await foundAgency(run)
  const [code] = await codesOf(owner)
  const sessions = await Promise.all(Array.from({ length: 3 }, () => signInAgain(run, owner)))
  const answers = await Promise.all(sessions.map((session) => redeem(session, code)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  const winner = sessions[answers.findIndex(({ status }) => status === 200)]
  const level = await winner?.supabase.auth.refreshSession()
  expect(level?.error).toBeNull()
  const claims = await winner?.supabase.auth.getClaims()
  expect(claims?.data?.claims.aal).toBe('aal1')
  const asked = {
    tenant_id: tenantId,
    action: 'credential.store',
    target_id: randomUUID(),
    request_digest: 'A'.repeat(43),
  }
  expect(winner && codeOf(await winner.call('step-up', asked))).toBe('aal2_required')
})

test('L1: each of these acts has its row in the agency’s log, and how it ended', async () => {
  const fresh = await signInAgain(run, agency.owner)
  expect(codeOf(await fresh.read('/api/audit'))).toBe('aal2_required')
  await page.goto(`${run.gateway_url}/audit/`)
  await page.getByText('used a recovery code to remove their second factor').first().waitFor()
  await page.getByText('made new recovery codes').first().waitFor()
})

async function codesOf(person: Person): Promise<string[]> {
  const answer = await person.call('member-reset', { act: 'codes' })
  if (answer.status !== 200) throw new Error(`codes: ${answer.status} ${answer.text}`)
  return (answer.body as { codes: string[] }).codes
}

const redeem = (person: Person, code: string | undefined) => person.call('member-reset', { act: 'redeem', code })
