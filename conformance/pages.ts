import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import { TOTP } from 'otpauth'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import type { RunFile } from './run-file.ts'

/** What every walk through the dashboard does: sign in, look at the page as others see it, keep pictures. */
export const PHONE = { width: 375, height: 812 }
export const DESKTOP = { width: 1280, height: 860 }
export const THEMES = ['light', 'dark'] as const

export async function signInWithPassword(
  page: Page,
  run: RunFile,
  { email, password }: { readonly email: string; readonly password: string },
  path = '/',
): Promise<void> {
  await page.goto(run.gateway_url + path)
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByLabel('Six-digit code').waitFor()
}

export async function enterCode(page: Page, secret: string): Promise<void> {
  await page.getByLabel('Six-digit code').fill(new TOTP({ secret }).generate())
  await page.getByRole('button', { name: 'Verify' }).click()
}

export async function findsNothing(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)).toEqual(
    [],
  )
}

/** At both widths and in both themes: nothing for axe to find, nothing that scrolls sideways. */
export async function looksRight(page: Page, name: string): Promise<void> {
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme })
    for (const [width, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
      await page.setViewportSize(viewport)
      await findsNothing(page)
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      expect(overflow, `${name} at ${width} width scrolls sideways`).toBeLessThanOrEqual(0)
      await shoot(page, `${name}-${width}-${colorScheme}`)
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

/** Pictures to look at are kept where `FLAREWATCH_SCREENSHOTS` says. */
export async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env.FLAREWATCH_SCREENSHOTS
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}
