import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from '../browser.ts'
import { attach } from '../canary/attach.ts'
import { DESKTOP } from '../pages.ts'
import type { RunFile } from '../run-file.ts'
import { fireCron, setClockOffset, until } from '../stack.ts'

/** Somebody at a browser of their own, with what they know and hold. */
export type Visitor = {
  readonly page: Page
  readonly email: string
  readonly password: string
  /** Of the authenticator app that they have now. */
  secret: string
  codes: readonly string[]
}

/** A stack of the walk's own, since it moves the clock by days, and a browser for everybody in it. */
export class Stage {
  /** What a page said in its console that nobody asked for. */
  readonly complaints: string[] = []
  readonly run: RunFile
  readonly dataDir: string
  readonly #browser: Browser
  readonly #stops: (() => Promise<void>)[]
  #offsetMs = 0

  constructor(run: RunFile, dataDir: string, browser: Browser, stops: (() => Promise<void>)[]) {
    this.run = run
    this.dataDir = dataDir
    this.#browser = browser
    this.#stops = stops
  }

  static async open(): Promise<Stage> {
    const dataDir = mkdtempSync(join(tmpdir(), 'flarewatch-walk-'))
    try {
      const { run, stop } = await attach(dataDir)
      const { browser, close } = await openBrowser()
      return new Stage(run, dataDir, browser, [close, stop])
    } catch (error) {
      rmSync(dataDir, { recursive: true, force: true })
      throw error
    }
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) await stop()
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  /** The stack's time. */
  get now(): number {
    return Date.now() + this.#offsetMs
  }

  async passTime(ms: number): Promise<void> {
    await this.setTime(this.#offsetMs + ms)
  }

  async setTime(offsetMs: number): Promise<void> {
    this.#offsetMs = offsetMs
    await setClockOffset(this.run, offsetMs)
  }

  async enter(email: string): Promise<Visitor> {
    const context = await this.#browser.newContext({ viewport: DESKTOP })
    const page = await context.newPage()
    page.on('pageerror', (error) => this.complaints.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`${message.text()} ${message.location().url}`)
    })
    return { page, email, password: `pw-${randomUUID()}`, secret: '', codes: [] }
  }

  /** The text of the newest mail to an address that holds what is looked for. */
  async mailTo(address: string, wanted: RegExp): Promise<string> {
    const folder = join(this.dataDir, 'mail')
    let found: string | undefined
    await until(async () => {
      await fireCron(this.run, 'notifier', '* * * * *')
      const mails = readdirSync(folder)
        .sort()
        .map((file) => readFileSync(join(folder, file), 'utf8'))
      found = mails.reverse().find((text) => text.includes(`To: ${address}`) && wanted.test(text))
      return found !== undefined
    }, `a mail with ${wanted} was sent to ${address}`)
    return wanted.exec(found ?? '')?.[1] ?? ''
  }
}

/** The access token of whoever is signed in at the page. */
export async function tokenOf(page: Page): Promise<string> {
  return page.evaluate(() => {
    const key = Object.keys(localStorage).find((name) => name.endsWith('-auth-token'))
    return (JSON.parse(localStorage.getItem(key ?? '') ?? '{}') as { access_token?: string }).access_token ?? ''
  })
}

/** A route of the gateway, asked as the person at the page. */
export async function readAs(page: Page, run: RunFile, path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(run.gateway_url + path, { headers: { authorization: `Bearer ${await tokenOf(page)}` } })
  return { status: response.status, body: await response.json() }
}
