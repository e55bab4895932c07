import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `DIR/run.json` while a stack runs: what outsiders, tests and the CLI find it by. */
export type RunFile = {
  readonly pid: number
  readonly gateway_url: string
  readonly supabase_url: string
  readonly publishable_key: string
  readonly functions_url: string
  readonly vault_url: string
  readonly postgres_superuser_url: string
  readonly simulators: Record<string, { readonly api_url: string; readonly control_url: string }>
  readonly control: { readonly url: string; readonly token: string }
  readonly log_vkey: string
  readonly demo?: {
    readonly email: string
    readonly password: string
    readonly totp_secret: string
    readonly tenant_id: string
  }
}

export function writeRunFile(dir: string, run: RunFile): void {
  const path = join(dir, 'run.json')
  // Written beside and renamed, so that a reader never sees half a file.
  writeFileSync(`${path}.new`, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export function removeRunFile(dir: string): void {
  rmSync(join(dir, 'run.json'), { force: true })
}

export function readRunFile(dir: string): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as RunFile
  } catch {
    return undefined
  }
}
