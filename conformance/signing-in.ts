import { TOTP } from 'otpauth'
import type { Page } from 'playwright-core'
import type { RunFile } from './run-file.ts'

type Login = { readonly email: string; readonly password: string }

/** The two steps of a sign-in, as a person takes them in the browser. */
export async function signInWithPassword(
  page: Page,
  run: RunFile,
  { email, password }: Login,
  path = '/',
): Promise<void> {
  await page.goto(run.gateway_url + path)
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByLabel('Six-digit code').waitFor()
}

/** `at` is the stack's time, which a test may have moved. */
export async function enterCode(page: Page, secret: string, at = Date.now()): Promise<void> {
  await page.getByLabel('Six-digit code').fill(new TOTP({ secret }).generate({ timestamp: at }))
  await page.getByRole('button', { name: 'Verify', exact: true }).click()
}

/** A new account, from whatever address the page stands at: it leads to enrolment. */
export async function signUpAtThePage(page: Page, { email, password }: Login): Promise<void> {
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('heading', { name: 'Scan this with the app' }).waitFor()
}

export type Enrolled = { readonly secret: string; readonly codes: readonly string[] }

/** From the secret that the page shows to its recovery codes, which are still to be kept. */
export async function enrolAtThePage(page: Page, at = Date.now()): Promise<Enrolled> {
  const secret = ((await page.getByTestId('totp-secret').textContent()) ?? '').replaceAll(/\s/g, '')
  await enterCode(page, secret, at)
  await page.getByRole('list', { name: 'Recovery codes' }).waitFor()
  return { secret, codes: await page.getByTestId('recovery-code').allTextContents() }
}

export async function keepCodes(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'I have kept these codes' }).click()
  await page.getByRole('list', { name: 'Recovery codes' }).waitFor({ state: 'detached' })
}
