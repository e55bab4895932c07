import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import unpackable from '@sparticuz/chromium'
import { type Browser, chromium } from 'playwright-core'

/** Debian's Chromium where it is installed, otherwise the one from npm, unpacked for as long as the browser runs. */
const INSTALLED = ['/usr/bin/chromium', '/usr/bin/google-chrome']

/** Nothing here weakens what a page may do: the browser must enforce CSP and CORS as a user's would. */
const ARGUMENTS = [
  '--no-sandbox',
  '--no-zygote',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openBrowser(): Promise<{ browser: Browser; close: () => Promise<void> }> {
  const scratch = mkdtempSync(join(tmpdir(), 'flarewatch-browser-'))
  const executablePath = INSTALLED.find((path) => existsSync(path)) ?? (await unpackInto(scratch))
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS, env: { ...process.env, HOME: scratch } })
  const close = async () => {
    await browser.close()
    rmSync(scratch, { recursive: true, force: true })
  }
  return { browser, close }
}

async function unpackInto(folder: string): Promise<string> {
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  try {
    return await unpackable.executablePath()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}
