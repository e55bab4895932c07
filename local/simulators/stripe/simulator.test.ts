import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import published from './published.json' with { type: 'json' }
import { type StripeSimulator, startStripeSimulator } from './simulator.ts'

let simulator: StripeSimulator
beforeAll(async () => {
  simulator = await startStripeSimulator({ seed: 7, log: () => {}, now: () => Date.UTC(2026, 10, 24) })
})
afterAll(() => simulator.stop())

async function list(query: string, scope: 'read' | 'no_coupons' = 'read') {
  const key = simulator.issueKey({ account: 2, scope, mode: 'live' })
  const headers = { authorization: `Bearer ${key}` }
  const answer = await fetch(`${simulator.apiUrl}/v1/subscriptions?${query}`, { headers })
  return { status: answer.status, body: await answer.json() }
}

/** Every member that we give is one that Stripe publishes, and of its kind; nulls of either side say nothing. */
function expectPublished(given: unknown, example: unknown, at = ''): void {
  if (given === null || example === null || (Array.isArray(example) && example.length === 0)) return
  expect([at, Array.isArray(given) ? 'array' : typeof given]).toEqual([
    at,
    Array.isArray(example) ? 'array' : typeof example,
  ])
  if (Array.isArray(given) && Array.isArray(example)) {
    for (const each of given) expectPublished(each, example[0], `${at}[]`)
  } else if (typeof given === 'object' && typeof example === 'object') {
    for (const [name, value] of Object.entries(given)) {
      expect(Object.keys(example), `${at}.${name}`).toContain(name)
      expectPublished(value, Reflect.get(example, name), `${at}.${name}`)
    }
  }
}

describe('the list of subscriptions', () => {
  it('has the shape that Stripe publishes, with discounts and their coupons where they are asked for', async () => {
    const { body } = await list('status=all&limit=100&expand[]=data.discounts.source.coupon')
    for (const row of body.data) expectPublished(row, published.subscription)
    const discounts = body.data.flatMap((row: { discounts: unknown[] }) => row.discounts)
    expect(discounts.length).toBeGreaterThan(5)
    for (const discount of discounts) {
      expectPublished(discount, { ...published.discount, subscription: '' })
      expectPublished(discount.source.coupon, { ...published.coupon, amount_off: 1 })
    }
    const plain = await list('status=all&limit=100')
    const ids = plain.body.data.flatMap((row: { discounts: unknown[] }) => row.discounts)
    expect(ids.every((id: unknown) => typeof id === 'string' && id.startsWith('di_'))).toBe(true)
  })

  it('is the newest first, page by page, and leaves out what has ended unless that is asked for', async () => {
    const first = (await list('status=all&limit=100')).body
    const second = (await list(`status=all&limit=100&starting_after=${first.data.at(-1).id}`)).body
    const all = [...first.data, ...second.data]
    expect(new Set(all.map(({ id }) => id)).size).toBe(200)
    expect(all.map(({ created }) => created)).toEqual(all.map(({ created }) => created).toSorted((a, b) => b - a))
    const open = (await list('limit=100')).body.data.map(({ status }: { status: string }) => status)
    expect(open).not.toContain('canceled')
    expect(new Set(all.map(({ status }) => status)).size).toBeGreaterThan(5)
  })

  it.each([
    ['limit=101', 400],
    ['status=odd', 400],
    ['page=2', 400],
    ['expand[]=data.items.data.price.tiers', 400],
    ['starting_after=sub_none', 404],
  ])('refuses %s with %d', async (query, status) => {
    expect((await list(query)).status).toBe(status)
  })

  it('may be read without coupons by a key that may not read them', async () => {
    expect((await list('limit=1', 'no_coupons')).status).toBe(200)
    const { status, body } = await list('limit=1&expand[]=data.discounts.source.coupon', 'no_coupons')
    expect([status, body.error.message]).toEqual([403, expect.stringContaining("'rak_coupon_read'")])
  })
})
