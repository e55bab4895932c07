import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { WebhookProvider } from '../../domain/webhooks/judge.ts'
import { eventsOf as resendEventsOf } from '../../local/simulators/resend/webhooks.ts'
import { World as ResendWorld } from '../../local/simulators/resend/world.ts'
import { eventsOf as stripeEventsOf } from '../../local/simulators/stripe/events.ts'
import type { KeyScope } from '../../local/simulators/stripe/keys.ts'
import { NO_MISHAPS } from '../../local/simulators/webhooks/mishaps.ts'
import type { WebhookSender } from '../../local/simulators/webhooks/sender.ts'
import { type Agency, contentsOf, foundAgency } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack, WORLD_SEED } from '../../local/stands/polling-stand.ts'
import { addEndpoint, type Endpoint } from '../../local/stands/webhook-deliveries.ts'

const START = Date.UTC(2026, 10, 24, 8)
const HOUR = 3_600_000
/** What a run of an account without sites ends with, however its comparison fares. */
const ENDS_WITH = 'no_sites'

let stack: PollingStack
beforeAll(async () => {
  stack = await startPollingStack(START, { front: ['gateway'] })
})
afterAll(() => stack?.stop())
afterEach(() => {
  // The worlds are shared: what happens to the next account would be delivered to this one as well.
  for (const { webhooks } of [stack.stripe, stack.resend]) webhooks.endpoints.length = 0
})

type Account = { readonly agency: Agency; readonly endpoint: Endpoint; readonly sender: WebhookSender }

/** An account with its key and its webhooks, as its owner has set them up here and at the provider; its figures are no matter here. */
async function account(provider: WebhookProvider, scope: KeyScope = 'read_with_events'): Promise<Account> {
  const { stripe, resend, sql } = stack
  const isStripe = provider === 'stripe'
  const key = isStripe ? stripe.issueKey({ account: 0, scope, mode: 'live' }) : resend.issueReadKey()
  const agency = await foundAgency(stack, key)
  await sql`delete from flarewatch.sites where tenant_id = ${agency.tenantId}`
  await sql`update flarewatch.credentials set provider = ${provider} where tenant_id = ${agency.tenantId}`
  const endpoint = await addEndpoint(stack, agency, provider)
  const { webhooks: sender } = isStripe ? stripe : resend
  sender.register({
    url: `${stack.origin}/webhooks/${provider}/${endpoint.id}`,
    secret: endpoint.secret,
    scope: stripe.world.accounts[0]?.id ?? '',
  })
  return { agency, endpoint, sender }
}

async function until<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  for (let tries = 0; tries < 300; tries += 1) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(50)
  }
  throw new Error('what was waited for did not happen')
}

/** Polls the account, which compares what was delivered where that is due. Why the run ended as it did. */
async function poll({ agency: { credentialId } }: Account): Promise<string> {
  await stack.sql`update flarewatch.credentials
    set next_poll_at = case when id = ${credentialId} then ${new Date(stack.now)} else 'infinity'::timestamptz end`
  const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
  await scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })
  return until(async () => {
    // The simulator's limit is one of seconds on this clock.
    stack.now += 500
    const [leased] = await stack.sql`
      select id from flarewatch.jobs where credential_id = ${credentialId} and state = 'leased'`
    const [job] = await stack.sql<{ reason: string }[]>`
      select reason from flarewatch.jobs where credential_id = ${credentialId} order by finished_at desc limit 1`
    return leased === undefined ? job?.reason : undefined
  })
}

async function comparison({ endpoint }: Account) {
  const [row] = await stack.sql<{ until: Date | null; code: string | null }[]>`
    select reconciled_until as until, reconcile_code as code from flarewatch.webhook_endpoints where id = ${endpoint.id}`
  return row
}

type Kept = { readonly event: string; readonly source: string }

/** What the inbox holds once nothing in it waits any more. */
const inbox = ({ endpoint }: Account): Promise<Kept[]> =>
  until(async () => {
    const rows = await stack.sql<(Kept & { waits: boolean })[]>`
      select provider_event as event, source, applied_at is null as waits
      from flarewatch.webhook_events where endpoint_id = ${endpoint.id}`
    return rows.some(({ waits }) => waits) ? undefined : rows.slice()
  })

async function counted({ endpoint }: Account) {
  const [row] = await stack.sql`
    select sum(delivered)::int as delivered, sum(duplicates)::int as duplicates, sum(gaps)::int as gaps
    from flarewatch.webhook_days where endpoint_id = ${endpoint.id}`
  return row
}

const SHARES = { dropped: 0.2, late: 0.1, duplicated: 0.15, reordered: 0.3, forged: 0.15 }
const CASES = [
  ['stripe', 12 * HOUR, 4],
  ['resend', HOUR / 2, 6],
] as const

describe('reconciliation', () => {
  it.each(CASES)(
    'T5 L1: of %s leaves each genuine event once, whatever befell its deliveries, and counts what it filled in',
    async (provider, step, steps) => {
      const of = await account(provider)
      const { sender, agency } = of
      const began = stack.now
      sender.shares = SHARES
      for (let count = 0; count < steps; count += 1) {
        stack.now += step
        await sender.deliverDue()
      }
      sender.shares = NO_MISHAPS
      const settled = stack.now - HOUR / 6
      const done = async () => ((await comparison(of))?.until?.getTime() ?? 0) >= settled
      for (let days = 0; days < 6 && !(await done()); days += 1) expect(await poll(of)).toBe(ENDS_WITH)
      expect(await done()).toBe(true)

      const genuine = eventsOf(provider, began, stack.now)
      const compared = genuine.filter(({ at }) => at < settled).map(({ id }) => id)
      const kept = await inbox(of)
      const ids = kept.map(({ event }) => event)
      expect(new Set(ids).size).toBe(ids.length)
      expect(compared.filter((id) => !ids.includes(id))).toEqual([])
      expect(ids.filter((id) => !genuine.some((event) => event.id === id))).toEqual([])

      const gaps = kept.filter(({ source }) => source === 'reconciled')
      const taken = sender.deliveries.flatMap(({ attempts }) => attempts.filter(({ status }) => status === 200))
      const duplicates = taken.length - (kept.length - gaps.length)
      expect(gaps.length).toBeGreaterThan(0)
      expect(duplicates).toBeGreaterThan(0)
      expect(await counted(of)).toEqual({ delivered: taken.length, duplicates, gaps: gaps.length })
      expect(sender.forgeries.length).toBeGreaterThan(0)
      expect(new Set(sender.forgeries.map(({ status }) => status))).toEqual(new Set([400]))
      const filling = (await contentsOf(stack, agency)).filter(({ action }) => action === 'webhook.reconcile')
      expect(filling.reduce((sum, { detail }) => sum + Number(detail.events), 0)).toBe(gaps.length)
    },
  )

  it('is made once an hour, and gives the account what an event that came gives it: a poll', async () => {
    const of = await account('stripe')
    of.sender.shares = { ...NO_MISHAPS, dropped: 1 }
    stack.now += 24 * HOUR
    await of.sender.deliverDue()
    const lists = async () => (await seenByStripe()).filter((path) => path.startsWith('/v1/events')).length
    const before = await lists()
    await poll(of)
    expect(await lists()).toBe(before + 1)
    const [row] = await stack.sql<{ due: boolean }[]>`
      select next_poll_at <= ${new Date(stack.now)} as due from flarewatch.credentials where id = ${of.agency.credentialId}`
    expect(row?.due).toBe(true)
    await poll(of)
    expect(await lists()).toBe(before + 1)
    stack.now += HOUR
    await poll(of)
    expect(await lists()).toBe(before + 2)
    of.sender.shares = NO_MISHAPS
  })

  it.each([
    ['provider_forbidden', (): Promise<Account> => account('stripe', 'read')],
    ['webhook_unregistered', async (): Promise<Account> => unregistered()],
  ])('T5: that the provider does not let us make says why, and costs no figures: %s', async (code, set) => {
    const of = await set()
    stack.now += HOUR
    expect(await poll(of)).toBe(ENDS_WITH)
    expect(await comparison(of)).toEqual({ until: null, code })
    const [row] = await stack.sql`select state from flarewatch.credentials where id = ${of.agency.credentialId}`
    expect(row?.state).toBe('active')
  })
})

/** An account whose owner has entered no address at the provider. */
async function unregistered(): Promise<Account> {
  const of = await account('resend')
  of.sender.endpoints.pop()
  return of
}

function eventsOf(provider: WebhookProvider, from: number, to: number) {
  const { world } = stack.stripe
  const [first] = world.accounts
  if (provider === 'resend' || first === undefined) return resendEventsOf(new ResendWorld(WORLD_SEED), from, to)
  return stripeEventsOf(world, first, from, to)
}

async function seenByStripe(): Promise<string[]> {
  const answer = await fetch(`${stack.stripe.controlUrl}/requests`)
  return ((await answer.json()) as { requests: { path: string }[] }).requests.map(({ path }) => path)
}
