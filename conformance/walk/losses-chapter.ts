import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../agency.ts'
import { looksRight, shoot } from '../pages.ts'
import { type Person, signInAgain } from '../person.ts'
import { enrolAtThePage, enterCode, keepCodes, signInWithPassword } from '../signing-in.ts'
import { founder, operator, partner, sql, stage } from './scene.ts'
import { readAs } from './stage.ts'

const HOUR_MS = 3_600_000

/** What people lose: a phone, and then their recovery codes too. */
export function losses(): void {
  describe('a lost phone', () => {
    test('A1, A2: a recovery code in its place leads to enrolment and no further, and ends every other session', async () => {
      const { page } = partner
      const elsewhere = await signInAgain(stage.run, partner)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await signInWithPassword(page, stage.run, partner)
      await looksRight(page, '22-challenge')
      await page.getByRole('button', { name: 'Use a recovery code' }).click()
      await page.getByRole('textbox', { name: 'Recovery code' }).fill('AAAAA AAAAA AAAAA AAAAA')
      await page.getByRole('button', { name: 'Remove the lost authenticator' }).click()
      await page.getByText('This recovery code is not right').waitFor()
      await looksRight(page, '23-recovery-code')
      const [code = ''] = partner.codes
      await page.getByRole('textbox', { name: 'Recovery code' }).fill(code.toLowerCase().replaceAll('-', ' '))
      await page.getByRole('button', { name: 'Remove the lost authenticator' }).dblclick()
      await page.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
      expect((await readAs(page, stage.run, '/api/sites')).status).toBe(403)
      expect((await elsewhere.supabase.auth.refreshSession()).error).not.toBeNull()
    })

    test('T2: another phone and ten new codes bring everything back; no row of the database holds a code', async () => {
      const { page } = partner
      const [used, other] = partner.codes
      Object.assign(partner, await enrolAtThePage(page, stage.now))
      expect(partner.codes).toHaveLength(10)
      await looksRight(page, '24-new-codes')
      await keepCodes(page)
      await page.getByRole('link', { name: 'Security' }).click()
      await page.getByText('You have 10 recovery codes left.').waitFor()
      await looksRight(page, '24-security')
      const rows = await sql<{ text: string }[]>`
      select row_to_json(r)::text as text from flarewatch.recovery_codes r
      union all select row_to_json(k)::text from flarewatch.idempotency k`
      for (const { text } of rows) for (const code of partner.codes) expect(text).not.toContain(code)
      const again = await signInAgain(stage.run, partner)
      for (const code of [used, other]) expect(await redeemed(again, code)).toBe('recovery_code_invalid')
    })
  })

  describe('phone and recovery codes, both lost', () => {
    test('A1: an owner asks for a reset, which can be cancelled; the person is mailed, and nothing is removed yet', async () => {
      const { page } = founder
      await page.getByRole('link', { name: 'Members' }).click()
      await askForReset(page)
      const cancel = page.getByRole('button', { name: `Cancel the reset of ${operator.email}` })
      await cancel.dblclick()
      await cancel.waitFor({ state: 'detached' })
      await askForReset(page)
      await stage.mailTo(operator.email, /(Your second factor is to be reset)/)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await operator.page.getByRole('button', { name: 'Sign out' }).click()
      await signInWithPassword(operator.page, stage.run, operator)
      await operator.page.getByText('You can finish it from').waitFor()
      await shoot(operator.page, '27-reset-not-due')
      expect(await operator.page.getByRole('button', { name: 'Remove the lost authenticator' }).count()).toBe(0)
      await operator.page.getByRole('button', { name: 'Sign out' }).click()
    })
  })
}

/** What can be done again, and what ends, once a day has gone by. */
export function aDayLater(): void {
  describe('a day later', () => {
    test('A1, A2: a day later a password leads to enrolment and no further, and from there back to work', async () => {
      const { page } = operator
      await stage.passTime(25 * HOUR_MS)
      await page.clock.setSystemTime(stage.now)
      await signInWithPassword(page, stage.run, operator)
      await looksRight(page, '28-reset-due')
      await page.getByRole('button', { name: 'Remove the lost authenticator' }).dblclick()
      await page.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
      expect((await readAs(page, stage.run, '/api/sites')).status).toBe(403)
      Object.assign(operator, await enrolAtThePage(page, stage.now))
      await keepCodes(page)
      await page.getByRole('heading', { name: 'northwind-bakery.example', exact: true }).waitFor()
      await founder.page.clock.setSystemTime(stage.now)
      await signInWithPassword(founder.page, stage.run, founder)
      await enterCode(founder.page, founder.secret, stage.now)
    })
  })

  describe('the end of a membership', () => {
    test('comes at once, in a session that is open too', async () => {
      const { page } = founder
      await page.getByRole('link', { name: 'Members' }).click()
      await page.getByRole('button', { name: `Change ${operator.email}` }).click()
      await page.getByRole('button', { name: 'Remove…' }).click()
      await page.getByRole('button', { name: 'Keep' }).click()
      await page.getByRole('button', { name: 'Remove…' }).click()
      await page.getByRole('button', { name: 'Remove from the agency' }).dblclick()
      await page.getByRole('rowheader', { name: operator.email }).waitFor({ state: 'detached' })
      expect((await readAs(operator.page, stage.run, '/api/sites')).status).toBe(403)
      await operator.page.reload()
      await operator.page.getByLabel('Agency name').waitFor()
      await shoot(operator.page, '25-without-an-agency')
    })
  })
}

async function askForReset(page: Page): Promise<void> {
  await page.getByRole('button', { name: `Reset sign-in of ${operator.email}` }).click()
  await page.getByRole('button', { name: 'Reset in 24 hours' }).dblclick()
  await page.getByRole('button', { name: `Cancel the reset of ${operator.email}` }).waitFor()
}

async function redeemed(person: Person, code: string | undefined): Promise<string | undefined> {
  return codeOf(await person.call('member-reset', { act: 'redeem', code }))
}
