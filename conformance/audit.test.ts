import type { Browser, BrowserContext, Page, Route } from 'playwright-core'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Agency, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { looksRight, shoot } from './pages.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'
import { fireCron, issueToken, until, untilHistoryRead, untilPolled } from './stack.ts'

/** The audit log as a member reads it, with every receipt and proof checked by the page itself. */
const run = runningStack()
/** More than one page of rows, so that there is an older one. */
const READINGS = 50

let browser: Browser
let close: () => Promise<void>
let context: BrowserContext
let page: Page
let agency: Agency
let token: string

beforeAll(async () => {
  ;({ browser, close } = await openBrowser())
  agency = await foundAgency(run)
  token = await issueToken(run)
  const stored = await agency.store(token)
  expect(stored.status, stored.text).toBe(200)
  await fireCron(run, 'scheduler', '* * * * *')
  await untilPolled(agency.owner)
  await untilHistoryRead(run, agency.owner)
  context = await browser.newContext()
  page = await context.newPage()
})
afterAll(() => close())

describe('the audit page', () => {
  test('A2: with a password alone it asks for a code, and shows no row', async () => {
    await sign()
    await signInWithPassword(page, run, agency.owner, '/audit/')
    await page.getByRole('button', { name: 'Continue viewing only' }).click()
    await page.getByText('This needs a code from your authenticator app').waitFor()
    expect(await page.getByRole('table').count()).toBe(0)
    await looksRight(page, 'audit-aal1')
    await enterCode(page, agency.totpSecret)
    await page.getByRole('table').waitFor()
  })

  test('L1: it says who did what to what, and how it ended, in one line each', async () => {
    const last4 = token.slice(-4)
    // A reading is a record too, but not always in its own answer: the next one has it.
    await until(async () => {
      await page.getByRole('button', { name: 'Refresh' }).click()
      return (await page.getByRole('link', { name: 'You read the audit log' }).count()) > 0
    }, 'the first reading is listed')
    for (const sentence of [
      'You created the agency',
      `You got permission for an act on credential ····${last4}`,
      `You stored credential ····${last4}`,
      `Connector opened credential ····${last4}`,
      'You read the audit log',
    ]) {
      await page.getByRole('link', { name: sentence }).first().waitFor()
    }
    const opened = page.getByRole('row').filter({ hasText: 'Connector opened' }).first()
    expect(await opened.textContent()).toContain('succeeded')
    expect(await page.getByText('ended an earlier act').count()).toBe(0)
    expect(await page.content()).not.toContain(token)
  })

  test('L4: it says up to which row the log is verified, and links to the receipt that says so', async () => {
    const link = page.getByRole('link', { name: /^receipt \d+$/ })
    await link.waitFor()
    const size = Number((await link.textContent())?.replace('receipt ', ''))
    await page.getByText(`Verified to row ${size} at`).waitFor()
    const receipt = await fetch(new URL((await link.getAttribute('href')) ?? '', run.gateway_url))
    expect((await receipt.text()).split('\n').slice(0, 2)).toEqual([
      expect.stringContaining(agency.tenantId),
      `${size}`,
    ])
    await looksRight(page, 'audit')
  })

  test('L1: filters by who, what and on what narrow the rows, and the endings stay joined', async () => {
    await page.getByLabel('What', { exact: true }).selectOption({ label: 'Credential opened' })
    await page.waitForURL(/action=credential.open/)
    // One by its poll, and one by each job that read its history.
    const opened = page.getByRole('row').filter({ hasText: 'Connector opened' })
    const openings = await openingsOf(agency)
    expect(openings).toBeGreaterThan(1)
    const narrowed = async () => [await page.getByRole('row').count(), await opened.count()]
    await until(async () => String(await narrowed()) === `${openings + 1},${openings}`, 'those rows alone are listed')
    expect(await opened.filter({ hasText: 'succeeded' }).count()).toBe(openings)
    await page.getByLabel('Who').selectOption({ label: 'You' })
    await page.getByText('No record is of this kind').waitFor()
    await shoot(page, 'audit-filtered-empty')
    await page.getByRole('button', { name: 'Show everything' }).click()
    await page.getByLabel('On what').selectOption({ label: 'The agency' })
    await page.getByRole('link', { name: 'You created the agency' }).waitFor()
    expect(await page.getByText('Connector opened').count()).toBe(0)
    await page.getByRole('button', { name: 'Show everything' }).click()
  })

  test('L2: a row proves in the browser that it is in the signed log', async () => {
    await page.getByRole('link', { name: 'Connector opened' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(/Included in the log of \d+ rows that was signed at/).waitFor()
    await dialog.getByText('credential.open').waitFor()
    await looksRight(page, 'audit-row')
    await page.reload()
    await dialog.getByText(/Included in the log of \d+ rows/).waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await page.waitForURL(({ hash }) => hash === '')
  })

  test('L2: older rows come when asked for, and a row that no receipt covers says so', async () => {
    for (let reading = 0; reading < READINGS; reading += 1) await agency.owner.read('/api/audit?limit=1')
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.getByRole('button', { name: 'Show older rows' }).waitFor()
    expect(await page.getByRole('link', { name: 'You created the agency' }).count()).toBe(0)
    await page.getByRole('button', { name: 'Show older rows' }).click()
    await page.getByRole('link', { name: 'You created the agency' }).waitFor()
    // The verifier's cron may sign at any minute: the answer of the one before it is given here.
    await page.route('**/api/audit/rows/*/proof', (route) => route.fulfill(notSignedYet()))
    await page.getByRole('link', { name: 'You read the audit log' }).first().click()
    await page.getByRole('dialog').getByText('No receipt covers this row yet').waitFor()
    await shoot(page, 'audit-row-not-signed')
    await page.unrouteAll()
    await closeDialog()
  })
})

describe('what a server that lies cannot do', () => {
  test('L2: a proof with one hash changed is refused, in words', async () => {
    await page.route('**/api/audit/rows/*/proof', (route) =>
      changed(route, (text) => text.replace(/"proof":\["(.)/, (_, first) => `"proof":["${first === 'A' ? 'B' : 'A'}`)),
    )
    // From elsewhere, so that the page is loaded anew: an address that differs in its # alone is not.
    await page.goto('about:blank')
    await page.goto(`${run.gateway_url}/audit/#2`)
    const dialog = page.getByRole('dialog')
    await dialog.getByText('This row is not proved to be in the log.').waitFor()
    await looksRight(page, 'audit-row-unproved')
    await page.unrouteAll()
    await closeDialog()
  })

  test('L4: a receipt whose size was changed after signing raises the alarm on every page', async () => {
    await page.route(`**/receipts/${agency.tenantId}`, (route) =>
      changed(route, (text) => text.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1}\n`)),
    )
    await page.goto(`${run.gateway_url}/credentials/`)
    await page.getByText('The audit log does not verify.').waitFor()
    await page.getByText('has a signature that is not right').waitFor()
    await page.unrouteAll()
  })

  test('L2: a log that does not extend the receipt seen before is called rewritten', async () => {
    const signedBefore = await newestSize()
    // A row of its own: the stack's cron may have signed all others meanwhile.
    await agency.owner.read('/api/audit?limit=1')
    await until(async () => {
      await sign()
      return (await newestSize()) > signedBefore
    }, 'a larger log is signed')
    const proofs = `**/receipts/${agency.tenantId}/*/*`
    await page.route(proofs, (route) => changed(route, (text) => text.split('\n').reverse().join('\n').trimStart()))
    await page.goto(`${run.gateway_url}/audit/`)
    await page.getByText('The log was rewritten.').waitFor()
    await looksRight(page, 'audit-rewritten')
    await page.unrouteAll()
    await page.reload()
    await page.getByText(/It extends the receipt over \d+ rows that this browser saw before/).waitFor()
    expect(await page.getByText('does not verify').count()).toBe(0)
  })
})

function notSignedYet() {
  const error = { code: 'not_signed_yet', message: 'for the test', request_id: '00000000-0000-4000-8000-000000000000' }
  return { status: 409, contentType: 'application/json', body: JSON.stringify({ error }) }
}

async function sign(): Promise<void> {
  await fireCron(run, 'verifier', '*/5 * * * *')
}

/** How often its key was released: each job of a credential opens it once. */
async function openingsOf({ tenantId }: Agency): Promise<number> {
  const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    const rows = await sql`select from flarewatch.jobs where tenant_id = ${tenantId} and intent_row is not null`
    return rows.length
  } finally {
    await sql.end()
  }
}

async function newestSize(): Promise<number> {
  const note = await fetch(`${run.gateway_url}/receipts/${agency.tenantId}`)
  return Number((await note.text()).split('\n')[1])
}

async function closeDialog(): Promise<void> {
  await page.getByRole('button', { name: 'Close' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
}

/** The server's own answer, changed on its way to the page. */
async function changed(route: Route, change: (text: string) => string): Promise<void> {
  const response = await route.fetch()
  await route.fulfill({ response, body: change(await response.text()) })
}
