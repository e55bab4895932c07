import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** What every walk through the dashboard does: look at the page as others see it, keep pictures. */
export const PHONE = { width: 390, height: 844 }
export const DESKTOP = { width: 1280, height: 800 }
export const THEMES = ['light', 'dark'] as const

export async function findsNothing(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)).toEqual(
    [],
  )
}

/** At both widths and in both themes: nothing for axe to find, no page or dialog that scrolls sideways. */
export async function looksRight(page: Page, name: string): Promise<void> {
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme })
    for (const [width, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
      await page.setViewportSize(viewport)
      await findsNothing(page)
      expect(await sideways(page), `${name} at ${width} width scrolls sideways`).toBeLessThanOrEqual(0)
      await shoot(page, `${name}-${width}-${colorScheme}`)
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

function sideways(page: Page): Promise<number> {
  return page.evaluate(() => {
    const dialogs = [...document.querySelectorAll('dialog[open]')].map((one) => one.scrollWidth - one.clientWidth)
    return Math.max(document.documentElement.scrollWidth - window.innerWidth, ...dialogs)
  })
}

/** Pictures to look at are kept where `FLAREWATCH_SCREENSHOTS` says. */
export async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env.FLAREWATCH_SCREENSHOTS
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}
