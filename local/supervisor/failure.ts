import { PartFailed } from './progress.ts'

/** A refusal that a person or a script can act on: a stable code, a message that says what to do next, an exit status. */
export class StackRefused extends Error {
  readonly code: string
  readonly exit: number
  constructor(code: string, message: string, exit: number) {
    super(message)
    this.code = code
    this.exit = exit
  }
}

export const EXIT_FAILED = 1
export const EXIT_USAGE = 2
export const EXIT_CONFIGURATION = 78

/** The one place where a failed command becomes an exit status and, with `--json`, the error document of `interfaces.md`. */
export function reportFailure(error: unknown, json: boolean): never {
  const cause = error instanceof PartFailed && error.cause instanceof StackRefused ? error.cause : error
  const code = cause instanceof StackRefused ? cause.code : error instanceof PartFailed ? 'part_failed' : 'failed'
  const message = cause instanceof Error ? cause.message : String(cause)
  const part = error instanceof PartFailed ? { part: error.part } : {}
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message, ...part } })}\n`)
  process.stderr.write(`${code}: ${message}\n`)
  process.exit(cause instanceof StackRefused ? cause.exit : EXIT_FAILED)
}
