import { TOTP } from 'otpauth'
import { describe, expect, test } from 'vitest'
import { confirmLink, documentOf } from '../operator-command.ts'
import { looksRight, shoot } from '../pages.ts'
import { enterCode } from '../signing-in.ts'
import { simulate } from '../stack.ts'
import { providers } from './providers-chapter.ts'
import { answerLost, command, credentials, founder, operator, stage } from './scene.ts'
import type { Visitor } from './stage.ts'

const FRESH_MS = 301_000

/** What people with power do from day to day. */
export function acts(): void {
  describe('the operator', () => {
    test('asks the console, whose answers are typed and whose errors say where', async () => {
      const { page } = operator
      await page.getByRole('link', { name: 'Console' }).click()
      await page.getByLabel('One SELECT').fill('select nothing from warehouse.sites')
      await page.getByRole('button', { name: 'Run' }).click()
      await page.getByText('column "nothing" does not exist').waitFor()
      await page.getByLabel('One SELECT').fill('select name, 42 as answer from warehouse.sites order by name')
      await page.getByRole('button', { name: 'Run' }).dblclick()
      await page.getByRole('cell', { name: 'harbor-yoga.example' }).waitFor()
      await page.getByRole('button', { name: 'Show' }).click()
      await page.getByRole('button', { name: 'Edit again' }).first().waitFor()
      await looksRight(page, '14-console')
    })

    test('A4: purges a cache; what is shown is what is sent, once', async () => {
      const { page } = operator
      await page.getByRole('link', { name: 'Credentials' }).click()
      expect(await page.getByRole('button', { name: /^Delete/ }).count()).toBe(0)
      await page.getByRole('button', { name: /^Purge cache: Cloudflare/ }).click()
      await page.getByLabel('Site').selectOption({ label: 'northwind-bakery.example' })
      await page.getByLabel('Addresses').fill('https://northwind-bakery.example/style.css')
      const shown = JSON.parse((await page.getByTestId('sent').textContent()) ?? '')
      await looksRight(page, '15-purge')
      await answerLost(page, 'provider-action')
      await page.getByRole('button', { name: 'Purge these addresses' }).click()
      await page.getByText('No answer. Check your connection').waitFor()
      await page.getByRole('button', { name: 'Purge these addresses' }).click()
      await page.getByText('Cloudflare has taken the purge').waitFor()
      const { requests } = (await simulate(stage.run, 'requests', {}, 'GET')) as {
        requests: { path: string; body: string }[]
      }
      const purges = requests.filter(({ path }) => path.endsWith('/purge_cache')).map(({ body }) => JSON.parse(body))
      expect(purges).toEqual([shown])
    })
  })

  describe('a reveal', () => {
    let token: string
    test('V7: a key is made on the command line, and enrolled at the browser', async () => {
      const { page } = founder
      const { run } = stage
      const login = ['login', '--url', run.gateway_url, '--email', founder.email, '--totp', totpOf(founder)]
      expect((await command.run(login, { FLAREWATCH_PASSWORD: founder.password })).status).toBe(0)
      const enrolled = documentOf(await command.run(['operator', 'enrol', '--json']))
      await page.goto(String(enrolled.url))
      await page.getByText(String(enrolled.fingerprint)).first().waitFor()
      await looksRight(page, '16-operator-key')
      await page.getByRole('button', { name: 'The fingerprints are the same: enrol' }).dblclick()
      await page.getByText('The key is enrolled and active.').waitFor()
      await page.getByRole('button', { name: 'Remove' }).waitFor()
      await shoot(page, '17-operator-keys')
    })

    test('V7: the browser confirms, and the command line prints what the provider knows', async () => {
      const { page } = founder
      const [line] = await credentials()
      const reveal = command.begin(['credential', 'reveal', line?.id ?? '', '--to-pipe', '--json'])
      await page.goto(await confirmLink(reveal))
      await page.getByText(`····${line?.last4}`).waitFor()
      await looksRight(page, '18-reveal')
      await page.getByRole('button', { name: 'Reveal to this key' }).dblclick()
      await page.getByText('Confirmed.').waitFor()
      await shoot(page, '19-reveal-confirmed')
      const printed = documentOf(await reveal.finished)
      token = String(printed.secret)
      expect([printed.ok, token.slice(-4)]).toEqual([true, line?.last4])
      expect(await page.content()).not.toContain(token)
    })

    test('the key is removed', async () => {
      const { page } = founder
      await page.goto(`${stage.run.gateway_url}/operator-keys/`)
      await page.getByRole('button', { name: 'Remove' }).dblclick()
      await page.getByText('No operator key is enrolled yet').waitFor()
    })
  })

  providers()

  describe('five minutes later', () => {
    test('A3: an act asks for a new code once, refuses a wrong one, and goes on: a credential is deleted', async () => {
      const { page } = founder
      await stage.passTime(FRESH_MS)
      await page.getByRole('link', { name: 'Credentials' }).click()
      await page.getByRole('button', { name: /^Delete: Harbour/ }).click()
      await page.getByRole('button', { name: 'Delete for good' }).click()
      await page.getByText('more than 5 minutes old').waitFor()
      await page.getByLabel('Six-digit code').fill('000000')
      await page.getByRole('button', { name: 'Verify', exact: true }).click()
      await page.getByText('This code is not right').waitFor()
      await looksRight(page, '20-delete-stale')
      await enterCode(page, founder.secret, stage.now)
      await page.getByText('was deleted').waitFor()
      await page.getByText('Its token was destroyed').waitFor()
      await shoot(page, '21-deleted')
    })
  })
}

function totpOf({ secret }: Visitor): string {
  return new TOTP({ secret }).generate({ timestamp: stage.now })
}
