import { TOTP } from 'otpauth'
import type { Page } from 'playwright-core'
import type { RunFile } from './run-file.ts'

/** The two steps of a sign-in, as a person takes them in the browser. */
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
