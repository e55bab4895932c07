import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TOTP } from 'otpauth'
import type { Browser, Page } from 'playwright-core'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Agency, foundAgency } from './agency.ts'
import { openBrowser } from './browser.ts'
import { CLI, start, testFolder } from './command.ts'
import { looksRight } from './pages.ts'
import { runningStack } from './running.ts'
import { enterCode, signInWithPassword } from './signing-in.ts'
import { fireCron, issueToken, until } from './stack.ts'

/**
 * What leaves the system when all is well and when it is not: mails, a banner, a list. It fails when, say, the trigger
 * `mail_incident` is dropped, or `notableOf` leaves out what is grave.
 */
const run = runningStack()
const mailFolder = join(inject('dataDir'), 'mail')
const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
const EVERY_FEW_MINUTES = '*/5 * * * *'
const NIGHTLY = '15 2 * * *'
const BAD_ROW = 2

let agency: Agency
let browser: Browser
let close: () => Promise<void>
let page: Page

beforeAll(async () => {
  agency = await foundAgency(run)
  await agency.store(await issueToken(run))
  await until(async () => (await storedRows()) >= 3, 'the rows are in Postgres')
  ;({ browser, close } = await openBrowser())
  page = await (await browser.newContext()).newPage()
})
afterAll(async () => {
  await close?.()
  await sql.end()
})

describe('while all is well', () => {
  test('L2: a night mails each owner a checkpoint, and the command line holds the log against it', async () => {
    await fireCron(run, 'verifier', EVERY_FEW_MINUTES)
    await fireCron(run, 'verifier', NIGHTLY)
    const mail = await mailTo(agency.owner.email, 'Checkpoint over')
    expect(statSync(mail.path).mode & 0o777).toBe(0o600)
    const home = testFolder()
    await signIn(home)
    const checked = await cli(home, 'audit', 'checkpoint', mail.path, '--trust', run.log_vkey)
    expect(checked).toMatchObject({ status: 0, document: { ok: true, previous_size: null } })
    expect(checked.document.size).toBe(Number(/over (\d+) audit rows/.exec(mail.text)?.[1]))
  })

  test('L4: there is no banner, and the page says so', async () => {
    await signInWithPassword(page, run, agency.owner, '/incidents/')
    await page.getByRole('button', { name: 'Continue viewing only' }).click()
    await page.getByRole('heading', { name: 'No incident so far' }).waitFor()
    await looksRight(page, 'incidents-none')
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByRole('heading', { level: 2 }).first().waitFor()
    expect(await banner().count()).toBe(0)
  })
})

describe('when a row of the audit log was changed by a superuser', () => {
  let actorTag: Uint8Array

  beforeAll(async () => {
    actorTag = await replaceActorTag(Buffer.alloc(32, 7))
    await fireCron(run, 'verifier', NIGHTLY)
    // The operator may have been mailed of another test's incident within the quarter of an hour in which further ones are gathered.
    await sql`update flarewatch.mail_outbox set next_try_at = '-infinity' where user_id is null and attempt = 0`
  })
  afterAll(() => replaceActorTag(actorTag))

  test('L4: owner and operator are mailed kind, first bad row and what to do, within a minute', async () => {
    const owner = await mailTo(agency.owner.email, 'Kind: row_edited')
    expect(owner.text).toContain('A row of the audit log was changed.')
    expect(owner.text).toContain(`First bad row: ${BAD_ROW}`)
    expect(owner.text).toContain('Kind: row_edited')
    expect(owner.text).toContain('What to do: Change nothing.')
    const operator = await mailTo('operator@flarewatch.local', `Agency: ${agency.tenantId}`)
    expect(operator.text).toContain('Kind: row_edited')
    expect(operator.text).not.toContain(agency.owner.email)
  })

  test('L4: a banner says so on every page, to whoever has signed in with a password alone too', async () => {
    await page.reload()
    await page.getByRole('button', { name: 'Continue viewing only' }).click()
    await banner().getByText('A row of the audit log was changed.').waitFor()
    await looksRight(page, 'incident-banner')
    await page.getByRole('button', { name: 'Enter a code' }).click()
    await enterCode(page, agency.totpSecret)
    await page.getByRole('button', { name: 'Enter a code' }).waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'Credentials' }).click()
    await banner().getByText('A row of the audit log was changed.').waitFor()
  })

  test('L4: the page lists it in words, and leads to the bad row by keyboard alone', async () => {
    await banner().getByRole('link', { name: 'What it means and what to do' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'A row of the audit log was changed' }).waitFor()
    expect(await banner().count()).toBe(0)
    await page.getByText('What to do:').first().waitFor()
    await looksRight(page, 'incidents')
    await page.getByRole('link', { name: `Row ${BAD_ROW} of the audit log` }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(`**/audit/#${BAD_ROW}`)
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('g')
    await page.keyboard.press('i')
    await page.waitForURL('**/incidents/')
  })

  test('L4: the command line lists it too, and status counts it', async () => {
    const home = testFolder()
    await signIn(home)
    const { status, document } = await cli(home, 'incidents', 'list')
    expect([status, document]).toMatchObject([0, { open: 1, incidents: [{ kind: 'row_edited', seq: BAD_ROW }] }])
    const answer = await agency.owner.read('/api/status')
    expect(answer.body).toMatchObject({ ok: false, figures: { open_incidents: 1, mails_given_up_24h: 0 } })
  })

  test('L4: the next night raises it no second time, and mails nobody again', async () => {
    const before = mails().length
    await fireCron(run, 'verifier', NIGHTLY)
    await fireCron(run, 'notifier', '* * * * *')
    const [counted] =
      await sql`select count(*)::int as n from flarewatch.incidents where tenant_id = ${agency.tenantId}`
    expect(counted).toEqual({ n: 1 })
    expect(
      mails()
        .slice(before)
        .filter(({ text }) => text.includes(agency.owner.email)),
    ).toEqual([])
  })
})

function banner() {
  return page.getByLabel('Open incidents')
}

type FiledMail = { readonly path: string; readonly text: string }

function mails(): FiledMail[] {
  const files = readdirSync(mailFolder).filter((name) => name.endsWith('.eml'))
  return files.sort().map((name) => {
    const path = join(mailFolder, name)
    return { path, text: readFileSync(path, 'utf8') }
  })
}

/** Fires the notifier's cron, which the stack fires each minute by itself too, until the mail is there. */
async function mailTo(address: string, words: string): Promise<FiledMail> {
  let found: FiledMail | undefined
  await until(async () => {
    await fireCron(run, 'notifier', '* * * * *')
    found = mails().find(({ text }) => text.includes(`To: ${address}\n`) && text.includes(words))
    return found !== undefined
  }, `“${words}” was mailed to ${address}`)
  if (found === undefined) throw new Error('no mail')
  return found
}

async function storedRows(): Promise<number> {
  const [row] = await sql`select count(*)::int as rows from flarewatch.audit_log where tenant_id = ${agency.tenantId}`
  return row?.rows ?? 0
}

/** As a superuser would: on the leaf, with the triggers that refuse every change switched off for the moment. */
async function replaceActorTag(tag: Uint8Array): Promise<Uint8Array> {
  const [row] = await sql<{ epoch: number; actor_tag: Uint8Array }[]>`
    select epoch, actor_tag from flarewatch.audit_log where tenant_id = ${agency.tenantId} and seq = ${BAD_ROW}`
  if (row === undefined) throw new Error('no row to change')
  const leaf = `flarewatch.audit_log_${row.epoch}`
  await sql.begin(async (tx) => {
    await tx`alter table ${tx(leaf)} disable trigger refuse_change`
    await tx`update ${tx(leaf)} set actor_tag = ${tag} where tenant_id = ${agency.tenantId} and seq = ${BAD_ROW}`
    await tx`alter table ${tx(leaf)} enable always trigger refuse_change`
  })
  return row.actor_tag
}

async function signIn(home: string): Promise<void> {
  const code = new TOTP({ secret: agency.totpSecret }).generate()
  const args = ['login', '--url', run.gateway_url, '--email', agency.owner.email, '--totp', code]
  const { status } = await command(home, args, { FLAREWATCH_PASSWORD: agency.owner.password })
  expect(status).toBe(0)
}

function cli(home: string, ...args: string[]) {
  return command(home, args, {})
}

async function command(home: string, args: readonly string[], env: Record<string, string>) {
  const { status, stdout } = await start([...CLI, ...args, '--data', home, '--json'], env).finished
  return { status, document: JSON.parse(stdout) as Record<string, unknown> }
}
