import { TOTP } from 'otpauth'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openBrowser } from './browser.ts'
import { DESKTOP, findsNothing, looksRight, shoot } from './pages.ts'
import { runningStack } from './running.ts'
import { fireCron, issueToken, setClockOffset, simulate } from './stack.ts'

/** A person's first visit, in a real browser: from sign-up to a chart, with the keyboard and pointer alone. */
const run = runningStack()

let browser: Browser
let close: () => Promise<void>
beforeAll(async () => {
  const opened = await openBrowser()
  browser = opened.browser
  close = opened.close
})
afterAll(() => close())

describe('the dashboard in Chromium', () => {
  let page: Page
  let totpSecret: string
  const complaints: string[] = []

  beforeAll(async () => {
    const context = await browser.newContext({ viewport: DESKTOP })
    page = await context.newPage()
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`)
    })
  })

  test('A1: signing up leads to enrolment, and to nothing else', async () => {
    await page.goto(run.gateway_url)
    await page
      .getByRole('button', { name: 'Create an account' })
      .or(page.getByText('Create an account'))
      .first()
      .click()
    await page.getByLabel('Email').fill('first.visit@example.test')
    await page.getByLabel('Password').fill('a long enough password')
    await shoot(page, 'sign-up')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
    expect(await page.getByRole('link', { name: 'Credentials' }).count()).toBe(0)
    await shoot(page, 'enrolment')
    await findsNothing(page)
  })

  test('A2: the code from the authenticator leads to AAL2 and the first agency', async () => {
    const secret = (await page.getByTestId('totp-secret').textContent())?.replaceAll(/\s/g, '') ?? ''
    totpSecret = secret
    await page.getByLabel('Six-digit code').fill(new TOTP({ secret }).generate())
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByRole('button', { name: 'I have kept these codes' }).click()
    await page.getByLabel('Agency name').fill('Lighthouse Digital')
    await shoot(page, 'create-agency')
    await page.getByRole('button', { name: 'Create agency' }).click()
    await page.getByLabel('API token').waitFor()
  })

  test('T5: a global key is refused in plain words, before anything is stored', async () => {
    await page.getByLabel('API token').fill('c2547eb745079dac9320b638f5e225cf483cc')
    await page.getByRole('button', { name: 'Connect Cloudflare' }).click()
    await page.getByText('This is a global API key').waitFor()
    await shoot(page, 'global-key-refused')
  })

  test('V6: a read-only token is connected, and its text is gone from the page', async () => {
    const token = await issueToken(run)
    await page.getByLabel('API token').fill(token)
    await page.getByRole('button', { name: 'Connect Cloudflare' }).click()
    await page
      .getByRole('status')
      .filter({ hasText: token.slice(-4) })
      .or(page.getByText(token.slice(-4)))
      .first()
      .waitFor()
    expect(await page.content()).not.toContain(token)
    await shoot(page, 'connected')
    await findsNothing(page)
  })

  test('the traffic of its sites is charted, with figures, change and provenance', async () => {
    await fireCron(run, 'scheduler', '* * * * *')
    await page.goto(run.gateway_url)
    await page.getByRole('heading', { name: 'harbor-yoga.example' }).waitFor()
    await page.locator('svg.recharts-surface').first().waitFor({ timeout: 30_000 })
    expect(await page.getByText(/httpRequests/).count()).toBeGreaterThan(0)
    await shoot(page, 'overview')
    await findsNothing(page)
  })

  test('the overview is accessible on a phone and at a desk, light and dark', () => looksRight(page, 'overview'))

  test('V6: the credential list shows last four, scope, last use, and nothing more', async () => {
    await page.getByRole('link', { name: 'Credentials' }).click()
    await page.getByRole('heading', { name: 'Credentials' }).waitFor()
    await page.getByText('analytics:read').first().waitFor()
    await shoot(page, 'credentials')
    await findsNothing(page)
  })

  test('T5: a token is replaced in place, and what it can beyond reading is told', async () => {
    const token = await issueToken(run, 'purge')
    await page.getByRole('button', { name: /^Replace token/ }).click()
    await page.getByLabel('New API token').fill('c2547eb745079dac9320b638f5e225cf483cc')
    await page.getByRole('button', { name: 'Replace token', exact: true }).click()
    await page.getByText('This is a global API key').waitFor()
    await page.getByLabel('New API token').fill(token)
    await page.getByRole('button', { name: 'Replace token', exact: true }).click()
    await page.getByText('has a new token').waitFor()
    await page.getByText('More than needed: purge cache').waitFor()
    expect(await page.content()).not.toContain(token)
  })

  test('A4: the confirmation of a purge shows exactly what is then sent', async () => {
    await page.getByRole('button', { name: /^Purge cache/ }).click()
    await page.getByLabel('Addresses').fill('https://harbor-yoga.example/style.css')
    await page.getByLabel('Site').selectOption({ label: 'harbor-yoga.example' })
    const shown = JSON.parse((await page.getByTestId('sent').textContent()) ?? '')
    expect(shown).toEqual({ files: ['https://harbor-yoga.example/style.css'] })
    await shoot(page, 'purge')
    await findsNothing(page)
    await page.getByRole('button', { name: 'Purge these addresses' }).click()
    await page.getByText('Cloudflare has taken the purge').waitFor()
    const { requests } = (await simulate(run, 'requests', {}, 'GET')) as { requests: { path: string; body: string }[] }
    expect(
      requests.filter(({ path }) => path.endsWith('/purge_cache')).map(({ body }) => JSON.parse(body)),
    ).toContainEqual(shown)
  })

  test('a code that is too old is asked for once, and the same act goes on: the credential is deleted', async () => {
    const totp = new TOTP({ secret: totpSecret })
    await setClockOffset(run, 301_000)
    onTestFinished(() => setClockOffset(run, 0))
    await page.getByRole('button', { name: /^Delete/ }).click()
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('more than 5 minutes old').waitFor()
    await page.getByLabel('Six-digit code').fill(totp.generate({ timestamp: Date.now() + 301_000 }))
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByText('was deleted').waitFor()
    await page.getByText('Its token was destroyed').waitFor()
    await findsNothing(page)
  })

  test('no page complained, and none broke its own content security policy', () => {
    // A refused token is answered with 422, which the browser logs as a failed load: the person was told in words.
    // An agency has no receipt yet in its first minutes, and the public address says so with 404.
    const expected = /status of (422|403|401)|status of 404 .*\/receipts\//
    expect(complaints.filter((text) => !expected.test(text))).toEqual([])
  })
})
