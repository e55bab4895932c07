import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

/** A failure that a script can act on. */
export class CanaryFailed extends Error {
  readonly code: string
  readonly exit: number
  constructor(code: string, message: string, exit: number = EXIT.failed) {
    super(message)
    this.code = code
    this.exit = exit
  }
}

/** npm runs scripts from the checkout: a relative DIR counts from where the user was. */
export function readArguments(args: readonly string[]): { dir: string; json: boolean } {
  try {
    const { values } = parseArgs({ args: [...args], options: { data: { type: 'string' }, json: { type: 'boolean' } } })
    return { dir: resolve(process.env.INIT_CWD ?? '.', values.data ?? '.flarewatch'), json: values.json ?? false }
  } catch (error) {
    throw new CanaryFailed('usage', `${String(error)}. Flags: --data DIR, --json`, EXIT.usage)
  }
}
