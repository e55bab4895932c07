import { describe, expect, test } from 'vitest'
import { looksRight, shoot } from '../pages.ts'
import { enrolAtThePage, keepCodes, signUpAtThePage } from '../signing-in.ts'
import { fireCron, until } from '../stack.ts'
import { answerLost, credentials, founder, stage, tokenFor } from './scene.ts'
import { readAs } from './stage.ts'

const GLOBAL_KEY = 'c2547eb745079dac9320b638f5e225cf483cc'

/** From a first visit to the traffic of an agency’s sites. */
export function founding(): void {
  describe('the founder', () => {
    test('A1: signs up, and comes to enrolment from every address, with a code that is right alone', async () => {
      const { page } = founder
      await page.goto(stage.run.gateway_url)
      await shoot(page, '01-sign-in')
      await signUpAtThePage(page, founder)
      await page.goto(`${stage.run.gateway_url}/credentials/`)
      await page.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
      expect(await page.getByRole('link', { name: 'Credentials' }).count()).toBe(0)
      expect((await readAs(page, stage.run, '/api/sites')).status).toBe(403)
      await page.getByLabel('Six-digit code').fill('000000')
      await page.getByRole('button', { name: 'Verify', exact: true }).click()
      await page.getByText('This code is not right').waitFor()
      await looksRight(page, '02-enrolment-wrong-code')
    })

    test('A2: enrols, keeps ten codes, and two clicks make one agency', async () => {
      const { page } = founder
      Object.assign(founder, await enrolAtThePage(page, stage.now))
      expect(founder.codes).toHaveLength(10)
      await looksRight(page, '03-recovery-codes')
      await keepCodes(page)
      await page.goto(stage.run.gateway_url)
      await page.getByLabel('Agency name').fill('Lighthouse Digital')
      await looksRight(page, '04-create-agency')
      await page.getByRole('button', { name: 'Create agency' }).dblclick()
      await page.getByLabel('API token').waitFor()
      const { tenants } = (await readAs(page, stage.run, '/api/me')).body as { tenants: unknown[] }
      expect(tenants).toHaveLength(1)
    })
  })

  describe('a token', () => {
    const refusals: readonly [string, () => string | Promise<string>, string | RegExp][] = [
      ['malformed', () => 'not a token', /^This is not a .* once more, without blanks/],
      ['a global key', () => GLOBAL_KEY, 'This is a global API key, which can do anything'],
      [
        'a global key of the new form',
        () => `cfk_${'k'.repeat(40)}`,
        'This is a global API key, which can do anything',
      ],
      ['one that Cloudflare rejects', () => `cfut_${'x'.repeat(40)}`, /did not accept this (token|key)\./],
      ['one without a zone', () => tokenFor('read', []), /reaches nothing to show\./],
    ]
    test.each(refusals)('T5: %s is refused in words, and is not kept', async (name, token, words) => {
      const { page } = founder
      await page.getByLabel('API token').fill(await token())
      await page.getByRole('button', { name: 'Connect Cloudflare' }).dblclick()
      await page.getByText(words).waitFor()
      expect(await page.getByLabel('API token').inputValue()).toBe('')
      await shoot(page, `05-refused-${name.replaceAll(' ', '-')}`)
      expect(await credentials()).toEqual([])
    })

    test('a refusal looks right', () => looksRight(founder.page, '05-refused'))

    test('V6: stored while the network is cut, it is stored once, and its excess is told in words', async () => {
      const { page } = founder
      const token = await tokenFor('dns', ['northwind-bakery.example', 'atlas-cycles.example'])
      await page.getByLabel('API token').fill(token)
      await answerLost(page, 'credential-store')
      await page.getByRole('button', { name: 'Connect Cloudflare' }).click()
      await page.getByText('No answer. Check your connection').waitFor()
      expect(await credentials()).toHaveLength(1)
      await page.getByRole('button', { name: 'Connect Cloudflare' }).click()
      await page.getByRole('heading', { name: 'Cloudflare is connected' }).waitFor()
      await page.getByText('More than needed: edit DNS').waitFor()
      await looksRight(page, '06-connected-over-scoped')
      expect(await page.content()).not.toContain(token)
      expect(await credentials()).toHaveLength(1)
    })

    test('left by the back button in the middle of the act, it is stored, once', async () => {
      const { page } = founder
      await page.getByRole('link', { name: 'Credentials' }).click()
      await page.getByRole('link', { name: /^Connect/ }).click()
      await page.getByLabel('Label', { exact: true }).fill('Harbour')
      await page.getByLabel('API token').fill(await tokenFor('read', ['harbor-yoga.example']))
      const asked = page.waitForRequest(/credential-store/)
      await page.getByRole('button', { name: 'Connect Cloudflare' }).click()
      await asked
      await page.goBack()
      await until(async () => (await credentials()).length === 2, 'the second token was stored')
      await page.reload()
      await page
        .getByRole('rowheader', { name: /^Harbour/ })
        .first()
        .waitFor()
      await fireCron(stage.run, 'scheduler', '* * * * *')
      await until(async () => (await credentials()).every(({ last_success_at }) => last_success_at !== null), 'polled')
    })

    test('V1: is replaced in place; one that is refused changes nothing', async () => {
      const { page } = founder
      const token = await tokenFor('purge', ['northwind-bakery.example', 'atlas-cycles.example'])
      await page.getByRole('button', { name: /^Replace token: Cloudflare/ }).click()
      for (const [wrong, words] of [
        [GLOBAL_KEY, 'This is a global API key'],
        [`cfut_${'y'.repeat(40)}`, /did not accept this (token|key)\./],
      ] as const) {
        await page.getByLabel('New API token').fill(wrong)
        await page.getByRole('button', { name: 'Replace token', exact: true }).click()
        await page.getByText(words).waitFor()
      }
      await looksRight(page, '07-replace-refused')
      await page.getByLabel('New API token').fill(token)
      await page.getByRole('button', { name: 'Replace token', exact: true }).dblclick()
      await page.getByText('has a new token').waitFor()
      await page.getByText('More than needed: purge cache').waitFor()
      await looksRight(page, '08-credentials')
      expect(await page.content()).not.toContain(token)
    })

    test('and the traffic of its sites is charted, with its provenance', async () => {
      const { page } = founder
      await page.getByRole('link', { name: 'Overview' }).click()
      await page.locator('svg.recharts-surface').first().waitFor({ timeout: 30_000 })
      await page
        .getByText(/httpRequests/)
        .first()
        .waitFor()
      // Classes that add up to the responses, and both breakdowns of the requests.
      for (const row of [/^2xx success [\d,]+ [\d.]+ %$/, /^Germany [\d,]+ [\d.]+ %$/, /^\/ [\d,]+ [\d.]+ %$/]) {
        await page.getByRole('row', { name: row }).first().waitFor()
      }
      await looksRight(page, '09-overview')
    })
  })
}
