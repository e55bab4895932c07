import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { TOTP } from 'otpauth'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { unlockOperatorKey } from '../cli/operator-key-file.ts'
import { randomBytes, toBase64Url } from '../domain/bytes.ts'
import { operatorKeyOf } from '../domain/operator-key/key.ts'
import { operatorKeyId } from '../domain/operator-key/public-key.ts'
import { type Agency, codeOf, foundAgency, mintStepUp } from './agency.ts'
import { openBrowser } from './browser.ts'
import { files } from './canary/places/files.ts'
import { connect, dump } from './canary/places/postgres.ts'
import { type KnownSecret, Scanner } from './canary/scanner.ts'
import { secret } from './canary/secrets.ts'
import { type Item, Sweep } from './canary/sweep.ts'
import { confirmLink, documentOf, OperatorCommand } from './operator-command.ts'
import { DESKTOP, findsNothing, shoot } from './pages.ts'
import { runningStack } from './running.ts'
import { issueToken } from './stack.ts'

/** V7 with every part: a key made on a disk, enrolled in a browser, a credential confirmed there and printed by the CLI. */
const run = runningStack()
const dataDir = inject('dataDir')
const PASSPHRASE = `horse-battery-${randomUUID()}`
const command = new OperatorCommand(PASSPHRASE)

let agency: Agency
let token: string
const credentialId = randomUUID()
let browser: Browser
let close: () => Promise<void>
let page: Page
/** All that the browser sent, was sent and showed. */
const held: string[] = []

beforeAll(async () => {
  agency = await foundAgency(run)
  token = await issueToken(run)
  const stored = await agency.store(token, credentialId)
  expect(stored.status, stored.text).toBe(200)
  const opened = await openBrowser()
  browser = opened.browser
  close = opened.close
  page = await signedInPage()
  const { email, password } = agency.owner
  const totp = new TOTP({ secret: agency.totpSecret }).generate()
  const args = ['login', '--url', run.gateway_url, '--email', email, '--totp', totp]
  expect((await command.run(args, { FLAREWATCH_PASSWORD: password })).status).toBe(0)
})
afterAll(async () => {
  await close?.()
  command.remove()
})

describe('an operator key and a reveal', () => {
  test('V7: a key is made under a passphrase, compared and enrolled in the browser', async () => {
    const enrolled = documentOf(await command.run(['operator', 'enrol', '--json']))
    expect(enrolled).toMatchObject({ ok: true, made: true, path: command.keyFile })
    expect(statSync(command.keyFile).mode & 0o777).toBe(0o600)
    await page.goto(String(enrolled.url))
    await page.getByText(String(enrolled.fingerprint)).first().waitFor()
    await shoot(page, 'operator-key-enrol')
    await page.getByRole('button', { name: 'The fingerprints are the same: enrol' }).click()
    await page.getByText('The key is enrolled and active.').waitFor()
    await page.getByRole('button', { name: 'Remove' }).waitFor()
    await findsNothing(page)
    await keep()
    expect(documentOf(await command.run(['operator', 'enrol', '--json']))).toMatchObject({
      made: false,
      url: enrolled.url,
    })
  })

  test('a credential goes to a terminal only, unless told', async () => {
    const refused = await command.run(['credential', 'reveal', credentialId, '--json'])
    expect([refused.status, documentOf(refused)]).toMatchObject([2, { ok: false, error: { code: 'not_a_terminal' } }])
  })

  test('V7: the browser confirms, the CLI prints, and what waited is gone', async () => {
    const reveal = command.begin(['credential', 'reveal', credentialId, '--to-pipe', '--json'])
    const link = await confirmLink(reveal)
    await page.goto(link)
    await page.getByText(`····${token.slice(-4)}`).waitFor()
    await shoot(page, 'reveal')
    await findsNothing(page)
    await page.getByRole('button', { name: 'Reveal to this key' }).click()
    await page.getByText('Confirmed.').waitFor()
    await keep()
    const finished = await reveal.finished
    expect([finished.status, documentOf(finished)]).toEqual([
      0,
      { ok: true, credential_id: credentialId, secret: token },
    ])
    expect(finished.stderr).not.toContain(token)
    const again = await revealWith(new URL(link).hash)
    expect(codeOf(again)).toBeUndefined()
    expect(again.text).not.toContain('sealed')
  })

  test('V5 V7: browser, wire, logs and stores hold neither plaintext nor what opens it', async () => {
    process.env.FLAREWATCH_OPERATOR_PASSPHRASE = PASSPHRASE
    const key = await unlockOperatorKey(command.keyFile)
    const secrets: KnownSecret[] = [
      secret('the credential', token),
      secret('the passphrase', PASSPHRASE),
      { name: 'the X25519 private key', bytes: Buffer.from(key.hpkePrivate) },
      { name: 'the Ed25519 seed', bytes: Buffer.from(key.signingSeed) },
    ]
    expect(held.some((text) => text.includes('"waiting":true'))).toBe(true)
    const sweep = new Sweep(new Scanner(secrets))
    await sweep.over([item('browser', held.join('\n'))])
    await sweep.over(files(dataDir))
    const sql = connect(run.postgres_superuser_url)
    await sweep.over(dump(sql))
    await sql.end()
    expect(sweep.findings).toEqual([])
    const empty = sweep.places.filter(({ bytes }) => bytes === 0).map(({ name }) => name)
    expect(empty).not.toEqual(expect.arrayContaining(['browser', 'logs', 'workers do', 'postgres flarewatch']))
  })

  test('V7: a stolen session at AAL2, fresh, with no operator key gets nothing', async () => {
    const { owner, tenantId } = agency
    const thiefs = await operatorKeyOf(randomBytes(32))
    const request = { tenant_id: tenantId, public_key: toBase64Url(thiefs.publicKey), vouch: null }
    const keyId = operatorKeyId(thiefs.publicKey)
    const stepUp = await mintStepUp(owner, { action: 'operator_key.enrol', target_id: keyId }, request)
    const enrolled = await owner.call('operator-key', { act: 'enrol', ...request }, { 'flarewatch-step-up': stepUp })
    expect(enrolled.body).toMatchObject({ state: 'waiting' })
    for (const [key, code] of [
      [keyId, 'operator_key_waiting'],
      [randomUUID(), 'operator_key_unknown'],
    ] as const) {
      const pickup_id = toBase64Url(randomBytes(32))
      const asked = { tenant_id: tenantId, credential_id: credentialId, key_id: key, pickup_id }
      const permission = await mintStepUp(owner, { action: 'credential.reveal', target_id: credentialId }, asked)
      const headers = { 'flarewatch-step-up': permission }
      const answer = await owner.call('credential-reveal', { act: 'reveal', ...asked }, headers)
      expect(codeOf(answer)).toBe(code)
    }
    const collect = { act: 'collect', tenant_id: tenantId, pickup_secret: toBase64Url(randomBytes(32)) }
    expect((await owner.call('credential-reveal', collect)).body).toEqual({ answer: null })
  })
})

/** The owner's own session, as the browser keeps it: a second one would have to wait 90 s for its freshness (A3). */
async function signedInPage(): Promise<Page> {
  const { data } = await agency.owner.supabase.auth.getSession()
  const storageKey = z.object({ storageKey: z.string() }).parse(agency.owner.supabase.auth).storageKey
  const context = await browser.newContext({ viewport: DESKTOP })
  await context.addInitScript(
    ([name, value]) => localStorage.setItem(name ?? '', value ?? ''),
    [storageKey, JSON.stringify(data.session)],
  )
  // Each answer on its way in: Chromium itself forgets what a page has read.
  await context.route(/\/(functions\/v1|api)\//, async (route) => {
    const response = await route.fetch()
    held.push(await response.text())
    await route.fulfill({ response })
  })
  const opened = await context.newPage()
  opened.on('request', (request) => held.push(JSON.stringify(request.headers()), request.postData() ?? ''))
  opened.on('console', (message) => held.push(message.text()))
  return opened
}

/** What the page shows and stores now. */
async function keep(): Promise<void> {
  held.push(await page.content())
  held.push(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href])))
}

/** The browser's own request once more, without the secret that only the CLI had. */
async function revealWith(fragment: string) {
  const pickup = new URLSearchParams(fragment.slice(1)).get('pickup')
  return agency.owner.call('credential-reveal', { act: 'collect', tenant_id: agency.tenantId, pickup_secret: pickup })
}

function item(place: string, text: string): Item {
  return { place, location: place, chunks: [Buffer.from(text)] }
}
