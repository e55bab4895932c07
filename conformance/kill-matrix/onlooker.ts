import type { Page } from 'playwright-core'
import { openBrowser } from '../browser.ts'
import type { RunFile } from '../run-file.ts'
import { enterCode, signInWithPassword } from '../signing-in.ts'
import type { StackUnderTest } from './stack-under-test.ts'

/** Somebody who has the demo's overview open while parts die: it must go on saying what it knew, and come back by itself. */
export type Onlooker = {
  /** Asks for news while a part is down. What was wrong with what the page then showed. */
  readonly look: () => Promise<string[]>
  /** Asks again when all is back. */
  readonly lookAgain: () => Promise<string[]>
  readonly leave: () => Promise<void>
}

const CHARTS_DEADLINE_MS = 30_000
const FRESH_DEADLINE_MS = 20_000
/** Long enough for an answer or its refusal to reach the page, much shorter than any recovery. */
const LOOK_MS = 250

export async function openOnlooker(stack: StackUnderTest): Promise<Onlooker> {
  const { browser, close } = await openBrowser()
  const page = await (await browser.newContext()).newPage()
  let run = await stack.running()
  let figures = await signIn(page, run)

  const missing = async (when: string): Promise<string[]> => {
    const now = await figuresOn(page)
    return now.length >= figures.length ? [] : [`the dashboard lost its figures ${when}: ${figures} became ${now}`]
  }
  return {
    look: async () => {
      await page.getByRole('button', { name: 'Refresh' }).click()
      await page.waitForTimeout(LOOK_MS)
      return missing('while a part was away')
    },
    lookAgain: async () => {
      const now = await stack.running()
      // A supervisor that starts anew takes other ports, and with them the page has another origin.
      if (now.gateway_url !== run.gateway_url) {
        run = now
        figures = await signIn(page, run)
        return []
      }
      await page.getByRole('button', { name: 'Refresh' }).click()
      try {
        await page
          .getByText(/not refreshed:/)
          .first()
          .waitFor({ state: 'detached', timeout: FRESH_DEADLINE_MS })
      } catch {
        return [`the dashboard did not come back: ${await page.getByText(/not refreshed:/).allTextContents()}`]
      }
      return missing('when all was back')
    },
    leave: close,
  }
}

async function signIn(page: Page, run: RunFile): Promise<string[]> {
  const { demo } = run
  if (demo === undefined) throw new Error('the stack has no demo agency')
  await signInWithPassword(page, run, demo)
  await enterCode(page, demo.totp_secret)
  await page.locator('svg.recharts-surface').first().waitFor({ timeout: CHARTS_DEADLINE_MS })
  return figuresOn(page)
}

/** Every figure that has a number. */
async function figuresOn(page: Page): Promise<string[]> {
  return (await page.locator('.figure-value').allTextContents()).filter((text) => text !== '—')
}
