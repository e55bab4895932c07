import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agency, codeOf, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { looksRight } from './pages.ts'
import { type Person, signInAgain, stepUpToAal2 } from './person.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'

/** Sessions as their person sees them. It fails when, say, `end_sessions` leaves the row, or a door does not ask for it. */
const run = runningStack()
const HOUR_MS = 3_600_000

let agency: Agency
let elsewhere: Person
let browser: Browser
let close: () => Promise<void>
let page: Page

beforeAll(async () => {
  agency = await foundAgency(run)
  elsewhere = await signInAgain(run, agency.owner)
  await stepUpToAal2(elsewhere, agency.totpSecret)
  ;({ browser, close } = await openBrowser())
  page = await (await browser.newContext()).newPage()
  await page.clock.install()
})
afterAll(() => close?.())

test('T1: a session that is ended on the page is dead at the next request, at every door', async () => {
  expect((await elsewhere.read('/api/sites')).status).toBe(200)
  await signInWithPassword(page, run, agency.owner, '/security/')
  await enterCode(page, agency.totpSecret)
  await page.getByRole('rowheader', { name: 'Command line' }).first().waitFor()
  await page.getByRole('rowheader', { name: '(this one)' }).waitFor()
  await looksRight(page, 'sessions')
  await page.getByRole('button', { name: 'End all others' }).click()
  await page.getByText('sessions were ended.').waitFor()
  await expect.poll(() => page.getByRole('rowheader', { name: 'Command line' }).count()).toBe(0)

  const { tenantId } = agency
  expect(codeOf(await elsewhere.read('/api/me'))).toBe('session_ended')
  expect(codeOf(await elsewhere.read('/api/audit'))).toBe('session_ended')
  expect(codeOf(await elsewhere.call('member-reset', { act: 'left' }))).toBe('session_ended')
  expect(codeOf(await elsewhere.call('operator-key', { act: 'list', tenant_id: tenantId }))).toBe('session_ended')
  expect((await elsewhere.supabase.auth.refreshSession()).error).not.toBeNull()
})

test('a page that nobody touches for an hour signs out and says why; one that is touched does not', async () => {
  await page.clock.fastForward(HOUR_MS - 60_000)
  await page.mouse.move(200, 200)
  await page.clock.fastForward(HOUR_MS - 60_000)
  await page.getByRole('heading', { name: 'Security' }).waitFor()
  await page.clock.fastForward(120_000)
  await page.getByText('nobody used this page for an hour').waitFor()
  await looksRight(page, 'signed-out-idle')
})
