import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Agency, act, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { looksRight, shoot } from './pages.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'
import { fireCron, simulate, until } from './stack.ts'

/** What a person reads when the provider, the network or the gateway fails: a reason in words, and what to do next. */
const run = runningStack()

/** A job that fails at every try is given up after five waits of 1 to 16 seconds. */
const GIVEN_UP_MS = 120_000
const TRIES_BEFORE_THE_LAST = 5
const ALWAYS = 1000

type Case = {
  readonly kind: string
  /** Which of the world's three zones its token is for: each set is one connection, and a fault strikes it alone. */
  readonly zones: readonly number[]
  readonly badge: string
  readonly words: string
}
const AT_ONCE: readonly Case[] = [
  { kind: 'unauthorized', zones: [0], badge: 'parked', words: 'The provider no longer accepts this token.' },
  { kind: 'forbidden', zones: [1], badge: 'parked', words: 'The provider refuses this token what it needs.' },
  { kind: 'rate_limited', zones: [2], badge: 'throttled', words: 'The provider asked to slow down.' },
]
const GIVEN_UP: readonly Case[] = [
  { kind: 'server_error', zones: [0], badge: 'failed', words: 'The provider had an error of its own.' },
  { kind: 'cut', zones: [1], badge: 'failed', words: 'could not be reached, or broke off its answer' },
  { kind: 'invalid_json', zones: [2], badge: 'failed', words: 'answer could not be read' },
]
const TIMEOUT: Case = { kind: 'timeout', zones: [0, 1], badge: 'failed', words: 'did not answer in time' }
const EMPTY: Case = { kind: 'empty_result', zones: [0, 2], badge: 'empty', words: 'has no numbers for any site' }
/** What is missing from a page is asked for again: the numbers are whole, and nothing is to be said. */
const PARTIAL: Case = { kind: 'partial', zones: [1, 2], badge: 'active', words: '' }

let browser: Browser
let close: () => Promise<void>
let zones: readonly { readonly id: string; readonly name: string }[]
beforeAll(async () => {
  ;({ browser, close } = await openBrowser())
  zones = ((await simulate(run, 'zones', undefined, 'GET')) as { zones: typeof zones }).zones
})
afterAll(async () => {
  await simulate(run, 'faults', {}, 'DELETE')
  await close()
})

describe('the provider fails', () => {
  test('at once: tokens that are refused are parked, one that is throttled waits', async () => {
    const agency = await agencyWith(AT_ONCE)
    await fireCron(run, 'scheduler', '* * * * *')
    await untilToldOf(agency, AT_ONCE)
    const page = await opened(agency)
    await readsOn(page, agency, AT_ONCE)
    await looksRight(page, 'credentials-refused')
    await page.getByRole('link', { name: 'Overview' }).click()
    const notices = page.getByLabel('Connections that need a look')
    for (const { words } of AT_ONCE) await notices.getByText(words).waitFor()
    expect(await notices.getByRole('link', { name: 'Connect a new token' }).count()).toBe(2)
    await looksRight(page, 'overview-refused')
    await page.context().close()
    await simulate(run, 'faults', {}, 'DELETE')
  })
})

describe('while the provider goes on failing', () => {
  let failing: Agency
  let timingOut: Agency
  let empty: Agency
  beforeAll(async () => {
    failing = await agencyWith(GIVEN_UP)
    timingOut = await agencyWith([TIMEOUT])
    empty = await agencyWith([EMPTY])
    await fireCron(run, 'scheduler', '* * * * *')
  })

  test('half a page at a time: the rest is asked for, and the numbers are whole', async () => {
    const agency = await agencyWith([PARTIAL])
    await fireCron(run, 'scheduler', '* * * * *')
    await until(async () => (await linesOf(agency))[0]?.last_success_at !== null, 'the poll succeeded')
    const page = await opened(agency)
    await page.getByText(PARTIAL.badge, { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    // Its first poll reads two days; the hours of the week come with its history.
    await page.getByRole('radio', { name: '24 h' }).check()
    await page.locator('svg.recharts-surface').first().waitFor({ timeout: 30_000 })
    expect(await page.getByText(/\d hours? missing/).count()).toBe(0)
    await page.context().close()
  })

  describe('what is between fails', () => {
    let page: Page
    beforeAll(async () => {
      const { demo } = run
      if (demo === undefined) throw new Error('the stack has no demo agency')
      page = await (await browser.newContext()).newPage()
      await signInWithPassword(page, run, demo)
      await enterCode(page, demo.totp_secret)
      await page.locator('svg.recharts-surface').first().waitFor({ timeout: 30_000 })
    })

    test('the network is off: what was known stays, marked as not refreshed', async () => {
      await page.context().setOffline(true)
      await page.getByRole('button', { name: 'Refresh' }).click()
      await page.getByText('No answer. Check your connection, then try again.').first().waitFor()
      await page.getByText('not refreshed: no answer').first().waitFor()
      expect(await page.locator('svg.recharts-surface').count()).toBeGreaterThan(0)
      await looksRight(page, 'overview-offline')
      await page.context().setOffline(false)
      await page.getByRole('button', { name: 'Try again' }).first().click()
      await page.getByText('not refreshed: no answer').first().waitFor({ state: 'detached' })
    })

    test('numbers that are old are called stale, and the connection late', async () => {
      const later = await page.context().newPage()
      await later.clock.setFixedTime(Date.now() + 20 * 60_000)
      await later.goto(run.gateway_url)
      await later
        .getByText(/^stale: newest data \d+ min ago$/)
        .first()
        .waitFor()
      await later
        .getByText(/Its last successful poll was \d+ min ago/)
        .first()
        .waitFor()
      await looksRight(later, 'overview-stale')
      await later.close()
    })

    test.each([
      ['/', 'Overview'],
      ['/credentials/', 'Credentials'],
      ['/audit/', 'Audit log'],
    ])('the database is away on %s: said in words, and gone once it is back', async (path, heading) => {
      await page.route(/\/api\/(sites|credentials|audit)/, (route) => route.fulfill(refusal(503, 'store_unreachable')))
      await page.goto(run.gateway_url + path)
      await page.getByRole('heading', { name: heading, level: 1 }).waitFor()
      await page.getByText('The database does not answer.').first().waitFor()
      await looksRight(page, `store-away-${heading.toLowerCase().replace(' ', '-')}`)
      await page.unrouteAll()
      await page.getByRole('button', { name: 'Try again' }).first().click()
      await page.getByText('The database does not answer.').first().waitFor({ state: 'detached' })
    })

    test('the gateway is away: the page says so instead of staying blank, and comes back', async () => {
      await page.route(/\/api\//, (route) =>
        route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }),
      )
      await page.goto(run.gateway_url)
      await page.getByRole('heading', { name: 'Flarewatch does not answer' }).waitFor()
      await looksRight(page, 'gateway-away')
      await page.unrouteAll()
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
    })
  })

  /** Last, since it waits for six tries and what is between them. */
  test('at every try: the job is given up, its reason is told, and a replay makes it good', {
    timeout: GIVEN_UP_MS,
  }, async () => {
    await untilToldOf(empty, [EMPTY])
    const emptyPage = await opened(empty)
    await readsOn(emptyPage, empty, [EMPTY])
    await emptyPage.getByRole('link', { name: 'Overview' }).click()
    await emptyPage.getByText('No numbers for this window yet.').first().waitFor()
    await shoot(emptyPage, 'overview-empty')
    await emptyPage.context().close()
    const page = await toldOnPage(failing, GIVEN_UP)
    await page.context().close()
    const replaying = await toldOnPage(timingOut, [TIMEOUT])
    await simulate(run, 'faults', {}, 'DELETE')
    await replay(replaying, timingOut)
    await replaying.context().close()
  })
})

type Line = {
  readonly last4: string
  readonly reason: string | null
  readonly last_success_at: string | null
}

/** An agency with one connection for each case, and the case's fault on that connection alone. */
async function agencyWith(cases: readonly Case[]): Promise<Agency> {
  const agency = await foundAgency(run)
  for (const { kind, zones: wanted } of cases) {
    const own = wanted.map((index) => zones[index] ?? { id: '', name: '' })
    const { token } = (await simulate(run, 'tokens', { scope: 'read', zones: own.map(({ name }) => name) })) as {
      token: string
    }
    const stored = await agency.store(token)
    expect(stored.status, stored.text).toBe(200)
    const ids = own.map(({ id }) => id)
    for (const match of matchesOf(kind, ids, `Bearer ${token}`)) {
      // The last try's reason is what is told: one that takes ten seconds need not be had six times.
      if (kind === 'timeout') {
        await simulate(run, 'faults', { kind: 'server_error', times: TRIES_BEFORE_THE_LAST, match })
      }
      await simulate(run, 'faults', { kind, times: ALWAYS, match, retry_after: 3600 })
    }
  }
  return agency
}

/** Rows are bent for one key alone. A run begins by asking for the settings of all its zones, in an order that only their ids' decide. */
function matchesOf(kind: string, ids: readonly string[], bearer: string): string[] {
  if (kind === 'empty_result') return [bearer]
  if (kind === 'partial') {
    const paged = ['httpRequestsAdaptiveGroups datetimeHour', 'httpRequests1dGroups date']
    return paged.flatMap((dataset) => ids.map((id) => `${dataset} ${id} ${bearer}`))
  }
  return [ids, ids.toReversed()].map((order) => `"zones":${JSON.stringify(order)}}`)
}

async function linesOf({ owner }: Agency): Promise<readonly Line[]> {
  return ((await owner.read('/api/credentials')).body as { credentials: Line[] }).credentials
}

async function untilToldOf(agency: Agency, cases: readonly Case[]): Promise<void> {
  const told = async () => (await linesOf(agency)).every(({ reason }) => reason !== null)
  await until(told, `${cases.map(({ kind }) => kind).join(', ')} is told`, GIVEN_UP_MS)
}

async function toldOnPage(agency: Agency, cases: readonly Case[]): Promise<Page> {
  await untilToldOf(agency, cases)
  const page = await opened(agency)
  await readsOn(page, agency, cases)
  await shoot(page, `credentials-${cases[0]?.kind}`)
  return page
}

/** What was given up is listed, replayed with a permission for it, and told as made good. */
async function replay(page: Page, { owner, tenantId }: Agency): Promise<void> {
  await page.getByRole('link', { name: 'Incidents' }).click()
  const letters = page.getByRole('region', { name: 'Dead letters' })
  await letters.getByText(TIMEOUT.words).first().waitFor()
  await looksRight(page, 'dead-letters')
  const letter = async () =>
    ((await owner.read('/api/dead-letters')).body as { dead_letters: DeadLetter[] }).dead_letters.at(-1)
  // By the session that stored the key: within 90 seconds the page's own may not claim freshness (A3).
  const job_id = (await letter())?.id ?? ''
  const target = { action: 'dead_letter.replay', target_id: job_id }
  const replayed = await act(owner, 'dead-letter-replay', target, { tenant_id: tenantId, job_id })
  expect(replayed.status, replayed.text).toBe(200)
  await fireCron(run, 'scheduler', '* * * * *')
  await until(async () => (await letter())?.replay?.state === 'complete', 'the replay is complete')
  expect(await letter()).toMatchObject({ reason: 'provider_timeout', made_good: true })
  await page.reload()
  await letters.getByText(/^Replayed just now: /).waitFor()
}
type DeadLetter = {
  readonly id: string
  readonly reason: string
  readonly made_good: boolean
  readonly replay: { state: string } | null
}

async function opened(agency: Agency): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await signInWithPassword(page, run, agency.owner, '/credentials/')
  await enterCode(page, agency.totpSecret)
  await page.getByRole('heading', { name: 'Credentials' }).waitFor()
  return page
}

/** Connections are listed in the order in which they were stored. */
async function readsOn(page: Page, agency: Agency, cases: readonly Case[]): Promise<void> {
  const lines = await linesOf(agency)
  for (const [index, { badge, words }] of cases.entries()) {
    const row = page.getByRole('row').filter({ hasText: `····${lines[index]?.last4}` })
    await row.getByText(badge, { exact: true }).waitFor()
    await row.getByText(words).waitFor()
  }
}

function refusal(status: number, code: string) {
  const error = { code, message: 'for the test', request_id: '00000000-0000-4000-8000-000000000000' }
  return { status, contentType: 'application/json', body: JSON.stringify({ error }) }
}
