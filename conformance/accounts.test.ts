import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { AuditResponse } from '../domain/contracts/api.ts'
import { type Agency, foundAgency, mintStepUp } from './agency.ts'
import { openBrowser } from './browser.ts'
import { looksRight } from './pages.ts'
import { enrolTotp, type Person, signUp } from './person.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'
import { fireCron, until } from './stack.ts'

/**
 * A person is invited, joins, and is removed, at a browser. It fails when, say, `open_invitation` does not compare the address, or
 * the outbox row holds the link.
 */
const run = runningStack()
const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
const invited = `${randomUUID()}@example.test`

let agency: Agency
let browser: Browser
let close: () => Promise<void>
let page: Page
let token: string
let newcomer: Person
let newcomersSecret: string

beforeAll(async () => {
  agency = await foundAgency(run)
  newcomer = await signUp(run, invited)
  newcomersSecret = await enrolTotp(newcomer)
  ;({ browser, close } = await openBrowser())
  page = await (await browser.newContext()).newPage()
})
afterAll(async () => {
  await close?.()
  await sql.end()
})

describe('an owner', () => {
  test('A4: invites a person from the page of members, which works on a phone and in the dark', async () => {
    await signInWithPassword(page, run, agency.owner, '/members/')
    await enterCode(page, agency.totpSecret)
    await page.getByRole('rowheader', { name: agency.owner.email }).waitFor()
    await looksRight(page, 'members')
    await page.getByLabel('Email').fill(invited)
    await page.locator('#invite-role').selectOption('operator')
    await page.getByRole('button', { name: 'Send invitation' }).click()
    await page.getByRole('rowheader', { name: invited }).waitFor()
  })

  test('withdraws an invitation that nobody has accepted', async () => {
    const mistaken = `${randomUUID()}@example.test`
    await page.getByLabel('Email').fill(mistaken)
    await page.getByRole('button', { name: 'Send invitation' }).click()
    await page.getByRole('button', { name: `Withdraw the invitation of ${mistaken}` }).click()
    await page.getByRole('rowheader', { name: mistaken }).waitFor({ state: 'detached' })
    await page.getByRole('rowheader', { name: invited }).waitFor()
  })

  test('T2: the mail has the link, and no row of the database has what it holds', async () => {
    token = await mailedToken()
    const rows = await sql<{ text: string }[]>`
      select row_to_json(i)::text as text from flarewatch.invitations i
      union all select row_to_json(m)::text from flarewatch.mail_outbox m
      union all select row_to_json(k)::text from flarewatch.idempotency k`
    expect(rows.some(({ text }) => text.includes(invited))).toBe(true)
    for (const { text } of rows) expect(text).not.toContain(token.slice('fwinv_'.length))
  })
})

describe('the link', () => {
  test('A1, A2: lets in nobody else, nobody unenrolled, and says no more than that', async () => {
    const stranger = await signUp(run)
    expect(await refusalOf(stranger, token)).toEqual([403, 'aal2_required'])
    await enrolTotp(stranger)
    expect(await refusalOf(stranger, token)).toEqual([403, 'invitation_invalid'])
    expect(await refusalOf(newcomer, `fwinv_${'A'.repeat(43)}`)).toEqual([403, 'invitation_invalid'])
    expect((await newcomer.read('/api/sites')).status).toBe(403)
  })

  test('makes the person whose address it was sent to a member, once', async () => {
    const guest = await (await browser.newContext()).newPage()
    await signInWithPassword(guest, run, newcomer, `/join/#${token}`)
    await enterCode(guest, newcomersSecret)
    await guest.getByRole('heading', { name: 'You are invited' }).waitFor()
    await looksRight(guest, 'join')
    await guest.getByRole('button', { name: 'Accept the invitation' }).click()
    await guest.getByRole('navigation', { name: 'Pages' }).waitFor()
    await guest.context().close()
    expect((await newcomer.read('/api/sites')).status).toBe(200)
    expect(await refusalOf(newcomer, token)).toEqual([403, 'invitation_invalid'])
  })
})

describe('a membership', () => {
  test('T6: an operator changes nobody’s', async () => {
    const request = { tenant_id: agency.tenantId, act: 'member.remove', member_id: randomUUID() } as const
    const asked = mintStepUp(newcomer, { action: 'member.remove', target_id: request.member_id }, request)
    await expect(asked).rejects.toThrow('role_insufficient')
  })

  test('ends at once, in sessions that are open too', async () => {
    await page.reload()
    await page.getByRole('button', { name: `Change ${invited}` }).click()
    await page.getByRole('button', { name: 'Remove from the agency' }).click()
    await page.getByRole('rowheader', { name: invited }).waitFor({ state: 'detached' })
    expect((await newcomer.read('/api/sites')).status).toBe(403)
  })

  test('L1: each of these acts has its row and how it ended', async () => {
    const { rows } = AuditResponse.parse((await agency.owner.read('/api/audit?order=newest')).body)
    const told = rows.flatMap(({ action, outcome }) =>
      action.startsWith('member.') || action === 'invitation.withdraw'
        ? [[action, outcome?.state, outcome && 'code' in outcome ? outcome.code : null]]
        : [],
    )
    expect(told).toEqual([
      ['member.remove', 'succeeded', 'removed'],
      ['member.join', 'succeeded', 'joined'],
      ['invitation.withdraw', 'succeeded', 'withdrawn'],
      ['member.invite', 'succeeded', 'invited_operator'],
      ['member.invite', 'succeeded', 'invited_operator'],
    ])
  })
})

async function mailedToken(): Promise<string> {
  const folder = join(inject('dataDir'), 'mail')
  let found: string | undefined
  await until(async () => {
    await fireCron(run, 'notifier', '* * * * *')
    const mails = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
    const mail = mails.find((text) => text.includes(`To: ${invited}`))
    found = mail && /\/join\/#(fwinv_[\w-]{43})/.exec(mail)?.[1]
    return found !== undefined
  }, `an invitation was mailed to ${invited}`)
  if (found === undefined) throw new Error('no mail')
  return found
}

async function refusalOf(person: Person, presented: string): Promise<[number, string]> {
  const { status, body } = await person.call('invitation-accept', { token: presented })
  return [status, (body as { error: { code: string } }).error.code]
}
