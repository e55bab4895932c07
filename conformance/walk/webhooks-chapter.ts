import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { looksRight } from '../pages.ts'
import { fireCron, until } from '../stack.ts'
import { credentials, founder, stage } from './scene.ts'
import { readAs } from './stage.ts'

const SIGNING_SECRET = `whsec_${randomBytes(24).toString('hex')}`
/** Until somebody ends it: by then a job has been given up. */
const ALWAYS = 1000
const Lines = z.object({
  credentials: z.array(z.object({ webhook: z.object({ accepted: z.int() }).nullable(), provider: z.string() })),
})

/** A second provider, whose keys are refused for what they can do, and which tells when something has happened. */
export function webhooks(): void {
  describe('a Stripe account', () => {
    test('T5: a secret key never leaves the page, and a key that can write is refused with what to untick', async () => {
      const { page } = founder
      await page.goto(`${stage.run.gateway_url}/connect/`)
      await page.getByRole('radio', { name: /^Stripe/ }).check()
      await page.getByLabel('Restricted key').fill(`sk_live_${'a'.repeat(40)}`)
      await page.getByRole('button', { name: 'Connect Stripe' }).click()
      await page.getByText('it was not even sent').waitFor()
      const { requests } = await stripe('GET', 'requests?authorization=shown')
      expect(JSON.stringify(requests)).not.toContain('sk_live_')
      await page.getByLabel('Restricted key').fill(await stripeKey('writes'))
      await page.getByRole('button', { name: 'Connect Stripe' }).click()
      await page.getByText('Take these permissions away from it').waitFor()
      await looksRight(page, '08-stripe-refused')
    })

    test('V6: one that only reads is stored, and its revenue comes', async () => {
      const { page } = founder
      await page.getByLabel('Restricted key').fill(await stripeKey('read'))
      await page.getByRole('button', { name: 'Connect Stripe' }).click()
      await page.getByRole('heading', { name: 'Stripe is connected' }).waitFor()
      await fireCron(stage.run, 'scheduler', '* * * * *')
      await until(async () => (await credentials()).every(({ last_success_at }) => last_success_at !== null), 'polled')
      await page.getByRole('link', { name: 'Go to the overview' }).click()
      await page.getByText('Net revenue').first().waitFor()
      await looksRight(page, '09-overview-revenue')
    })
  })

  describe('its webhooks', () => {
    let address: string
    test('A4: the signing secret is sealed, and the address is there to be copied', async () => {
      const { page } = founder
      await page.getByRole('link', { name: 'Credentials' }).click()
      await page.getByRole('button', { name: /^Webhooks: Stripe/ }).click()
      address = (await page.locator('dialog[open] .copy-field code').textContent()) ?? ''
      await page.getByLabel('Signing secret').fill(SIGNING_SECRET)
      await page.getByRole('button', { name: 'Store signing secret' }).dblclick()
      await page.getByText('Stripe has a signing secret').waitFor()
      await page.getByText('none yet').waitFor()
      await looksRight(page, '10-webhooks')
    })

    test('V5, L1: what Stripe signed is taken; what it did not sign, or signed an hour ago, is refused alike', async () => {
      expect((await deliver(address, {})).status).toBe(200)
      for (const forged of [{ secret: 'whsec_another' }, { at: stage.now - 3_600_000 }, { path: 'A'.repeat(22) }]) {
        const answer = await deliver(address, forged)
        expect([
          answer.status,
          z.object({ error: z.object({ code: z.string() }) }).parse(await answer.json()).error.code,
        ]).toEqual([400, 'webhook_refused'])
      }
      await until(async () => {
        const { body } = await readAs(founder.page, stage.run, '/api/credentials')
        return Lines.parse(body).credentials.some(({ webhook }) => webhook?.accepted === 1)
      }, 'the event was counted')
    })

    test('another makes its account due, and from here on Stripe fails', async () => {
      await stripe('POST', 'faults', { kind: 'server_error', times: ALWAYS, match: '/v1/' })
      expect((await deliver(address, {})).status).toBe(200)
      await fireCron(stage.run, 'scheduler', '* * * * *')
    })
  })
}

type Delivery = { readonly secret?: string; readonly at?: number; readonly path?: string }

/** Signs as Stripe does: docs.stripe.com/webhooks, "Verify manually". */
function deliver(address: string, { secret = SIGNING_SECRET, at = stage.now, path }: Delivery): Promise<Response> {
  const created = Math.floor(at / 1000)
  const body = JSON.stringify({ id: `evt_${randomBytes(12).toString('hex')}`, created, type: 'charge.succeeded' })
  const mac = createHmac('sha256', secret).update(`${created}.${body}`).digest('hex')
  const url = path === undefined ? address : address.replace(/[^/]+$/, path)
  return fetch(url, { method: 'POST', headers: { 'stripe-signature': `t=${created},v1=${mac}` }, body })
}

async function stripeKey(scope: 'read' | 'writes'): Promise<string> {
  return z.object({ key: z.string() }).parse(await stripe('POST', 'keys', { scope })).key
}

async function stripe(method: 'GET' | 'POST', act: string, body?: unknown): Promise<Record<string, unknown>> {
  const url = `${stage.run.simulators.stripe?.control_url}/${act}`
  const response = await fetch(url, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`the simulator refused ${act}: ${await response.text()}`)
  return z.record(z.string(), z.unknown()).parse(await response.json())
}
