import { describe, expect, test } from 'vitest'
import { codeOf } from '../agency.ts'
import { looksRight, shoot } from '../pages.ts'
import { enrolTotp, signUp } from '../person.ts'
import { enrolAtThePage, keepCodes, signUpAtThePage } from '../signing-in.ts'
import { answerLost, founder, operator, partner, sql, stage } from './scene.ts'

const MISTAKEN = 'olle@lighthouse.example.test'

/** Two are invited, and join. */
export function people(): void {
  describe('people', () => {
    const links = new Map<string, string>()

    test('A4, T2: two are invited, each once though an answer was lost; their mail has the link, and no row of the database what it holds', async () => {
      const { page } = founder
      await page.getByRole('link', { name: 'Members' }).click()
      await page.getByRole('rowheader', { name: founder.email }).waitFor()
      for (const [{ email }, role] of [
        [operator, 'operator'],
        [partner, 'viewer'],
      ] as const) {
        await page.getByLabel('Email').fill(email)
        await page.locator('#invite-role').selectOption(role)
        await answerLost(page, 'member-invite')
        await page.getByRole('button', { name: 'Send invitation' }).click()
        await page.getByText('No answer. Check your connection').waitFor()
        await page.getByRole('button', { name: 'Send invitation' }).dblclick()
        await page.getByRole('rowheader', { name: email }).waitFor()
        links.set(email, await stage.mailTo(email, /\/join\/(#fwinv_[\w-]{43})/))
      }
      await looksRight(page, '10-members-invited')
      const rows = await sql<{ text: string }[]>`
      select row_to_json(i)::text as text from flarewatch.invitations i
      union all select row_to_json(m)::text from flarewatch.mail_outbox m
      union all select row_to_json(k)::text from flarewatch.idempotency k`
      expect(rows.some(({ text }) => text.includes(operator.email))).toBe(true)
      expect(rows.filter(({ text }) => text.includes('"kind":"invitation"'))).toHaveLength(2)
      for (const link of links.values()) {
        for (const { text } of rows) expect(text).not.toContain(link.slice('#fwinv_'.length))
      }
    })

    test('one that was a mistake is withdrawn', async () => {
      const { page } = founder
      await page.getByLabel('Email').fill(MISTAKEN)
      await page.getByRole('button', { name: 'Send invitation' }).click()
      await page.getByRole('button', { name: `Withdraw the invitation of ${MISTAKEN}` }).dblclick()
      await page.getByRole('rowheader', { name: MISTAKEN }).waitFor({ state: 'detached' })
      await page.getByRole('rowheader', { name: operator.email }).waitFor()
    })

    test('A1, A2: a link lets in nobody else, nobody unenrolled, and says no more than that', async () => {
      const stranger = await signUp(stage.run)
      const token = links.get(operator.email)?.slice(1)
      const refusal = async () => codeOf(await stranger.call('invitation-accept', { token }))
      expect(await refusal()).toBe('aal2_required')
      await enrolTotp(stranger)
      expect(await refusal()).toBe('invitation_invalid')
    })

    test('A1: each signs up from their link, must enrol first, and joins', async () => {
      for (const visitor of [operator, partner]) {
        const { page } = visitor
        await page.goto(`${stage.run.gateway_url}/join/${links.get(visitor.email)}`)
        await signUpAtThePage(page, visitor)
        Object.assign(visitor, await enrolAtThePage(page, stage.now))
        await keepCodes(page)
        await page.getByRole('heading', { name: 'You are invited' }).waitFor()
        if (visitor === operator) await looksRight(page, '11-join')
        await page.getByRole('button', { name: 'Accept the invitation' }).dblclick()
        await page.getByRole('navigation', { name: 'Pages' }).waitFor()
        await page.getByRole('heading', { name: 'northwind-bakery.example' }).waitFor()
      }
    })

    test('T6: one becomes an owner too; the operator is offered what an operator may do', async () => {
      const { page } = founder
      await page.reload()
      await page.getByRole('button', { name: `Change ${partner.email}` }).click()
      await page.locator('#member-role').selectOption('owner')
      await looksRight(page, '12-change-role')
      await page.getByRole('button', { name: 'Save role' }).dblclick()
      await page.getByRole('row', { name: new RegExp(`${partner.email} Owner`) }).waitFor()
      await operator.page.getByRole('link', { name: 'Members' }).click()
      await operator.page.getByRole('rowheader', { name: partner.email }).waitFor()
      expect(await operator.page.getByRole('button', { name: /^(Change|Send)/ }).count()).toBe(0)
      await shoot(operator.page, '13-members-of-an-operator')
    })
  })
}
