import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { AuditResponse } from '../domain/contracts/api.ts'
import { MemberReset } from '../domain/contracts/functions.ts'
import { type Agency, codeOf, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { looksRight } from './pages.ts'
import { enrolTotp, type Person, signInAgain, signUp, stepUpToAal2 } from './person.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'
import { fireCron, until } from './stack.ts'

/**
 * Both factors lost, at two browsers. It fails when, say, `start_reset_finish` does not ask whether the request is due, or
 * `totp_used_since` finds nothing in Auth's tables.
 */
const run = runningStack()
const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })

let agency: Agency
let person: Person
let personId: string
let personsSecret: string
let browser: Browser
let close: () => Promise<void>
let owners: Page
let persons: Page

beforeAll(async () => {
  agency = await foundAgency(run)
  person = await signUp(run)
  personsSecret = await enrolTotp(person)
  const { data } = await person.supabase.auth.getUser()
  personId = data.user?.id ?? ''
  await sql`insert into flarewatch.members (tenant_id, user_id, role) values (${agency.tenantId}, ${personId}, 'operator')`
  ;({ browser, close } = await openBrowser())
  owners = await (await browser.newContext()).newPage()
  persons = await (await browser.newContext()).newPage()
})
afterAll(async () => {
  await close?.()
  await sql.end()
})

test('A4, L1: an owner asks for it, after reading what will happen, and the person and the owner are mailed', async () => {
  await signInWithPassword(owners, run, agency.owner, '/members/')
  await enterCode(owners, agency.totpSecret)
  await owners.getByRole('button', { name: `Reset sign-in of ${person.email}` }).click()
  await owners.getByRole('button', { name: 'Reset in 24 hours' }).waitFor()
  expect(await owners.getByRole('button', { name: `Reset sign-in of ${agency.owner.email}` }).count()).toBe(0)
  await owners.getByRole('button', { name: 'Reset in 24 hours' }).click()
  await owners.getByRole('button', { name: `Cancel the reset of ${person.email}` }).waitFor()
  await owners.getByRole('button', { name: `Reset sign-in of ${person.email}` }).click()
  await looksRight(owners, 'reset-member')
  await owners.getByRole('button', { name: 'Back' }).click()
  await mailed(person.email, 'Your second factor is to be reset')
  await mailed(agency.owner.email, 'The second factor of a member is to be reset')
})

test('A1: the person is told at sign-in, cannot finish before it is due, and cancels with a password', async () => {
  const session = await signInAgain(run, person)
  expect(codeOf(await session.call('member-reset', { act: 'finish' }))).toBe('member_reset_not_due')
  await signInWithPassword(persons, run, person)
  await persons.getByRole('button', { name: 'Cancel the reset' }).waitFor()
  expect(await persons.getByRole('button', { name: 'Remove the lost authenticator' }).count()).toBe(0)
  await looksRight(persons, 'reset-pending')
  await persons.getByRole('button', { name: 'Cancel the reset' }).click()
  await persons.getByRole('button', { name: 'Cancel the reset' }).waitFor({ state: 'detached' })
  expect(await pending()).toBeNull()
})

test('A1: it ends when the person shows their second factor, and an owner cancels it too', async () => {
  await ask()
  expect(await pending()).not.toBeNull()
  const session = await signInAgain(run, person)
  await stepUpToAal2(session, personsSecret)
  expect(await pending()).toBeNull()
  await ask()
  await owners.getByRole('button', { name: `Cancel the reset of ${person.email}` }).click()
  await owners.getByRole('button', { name: `Cancel the reset of ${person.email}` }).waitFor({ state: 'detached' })
  expect(await pending()).toBeNull()
})

test('A1, A2: once due it removes the factor, ends other sessions, and leads to enrolment and no further', async () => {
  await ask()
  const elsewhere = await signInAgain(run, person)
  await sql`update flarewatch.member_resets set due_at = now() where user_id = ${personId}`
  // Auth ended the page's session when the person showed their second factor in another.
  await signInWithPassword(persons, run, person)
  await persons.getByRole('button', { name: 'Remove the lost authenticator' }).click()
  await persons.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
  const { error } = await elsewhere.supabase.auth.refreshSession()
  expect(error).not.toBeNull()
  expect(codeOf(await person.read('/api/sites'))).toBe('session_ended')
  const again = await signInAgain(run, person)
  expect(codeOf(await again.call('member-reset', { act: 'finish' }))).toBe('member_reset_unknown')
  expect(codeOf(await again.call('member-reset', { act: 'left' }))).toBe('aal2_required')
})

test('L1: each of these acts has its row and how it ended', async () => {
  const { rows } = AuditResponse.parse((await agency.owner.read('/api/audit?order=oldest')).body)
  const told = rows.flatMap(({ action, outcome }) =>
    action === 'member.reset' || action.startsWith('member_reset.')
      ? [[action, outcome && 'code' in outcome ? outcome.code : null]]
      : [],
  )
  expect(told).toEqual([
    ['member.reset', 'reset_requested'],
    ['member_reset.cancel', 'reset_cancelled'],
    ['member.reset', 'reset_requested'],
    ['member.reset', 'reset_requested'],
    ['member_reset.cancel', 'reset_cancelled'],
    ['member.reset', 'reset_requested'],
    ['member_reset.finish', 'factor_removed'],
  ])
})

async function ask(): Promise<void> {
  await owners.reload()
  await owners.getByRole('button', { name: `Reset sign-in of ${person.email}` }).click()
  await owners.getByRole('button', { name: 'Reset in 24 hours' }).click()
  await owners.getByRole('button', { name: `Cancel the reset of ${person.email}` }).waitFor()
}

async function pending() {
  const session = await signInAgain(run, person)
  return MemberReset.pending.parse((await session.call('member-reset', { act: 'pending' })).body).reset
}

async function mailed(address: string, words: string): Promise<void> {
  const folder = join(inject('dataDir'), 'mail')
  await until(async () => {
    await fireCron(run, 'notifier', '* * * * *')
    const mails = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
    return mails.some((text) => text.includes(`To: ${address}`) && text.includes(words))
  }, `“${words}” was mailed to ${address}`)
}
