import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { EXIT_USAGE, StackRefused } from './supervisor/failure.ts'

export type CommandLine = {
  readonly dir: string
  readonly json: boolean
  readonly once: boolean
  readonly seed: number
}

const DEFAULT_SEED = 1

/** Where a command was called from counts for a relative `--data`, not where npm runs it. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { values } = parsed(args)
  const seed = Number(values.seed ?? DEFAULT_SEED)
  if (!Number.isSafeInteger(seed) || seed < 0) throw usage('--seed takes a whole number')
  return {
    dir: resolve(process.env.INIT_CWD ?? '.', values.data ?? '.flarewatch'),
    json: values.json ?? false,
    once: values.once ?? false,
    seed,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        data: { type: 'string' },
        json: { type: 'boolean' },
        once: { type: 'boolean' },
        seed: { type: 'string' },
      },
    })
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error))
  }
}

function usage(message: string): StackRefused {
  return new StackRefused('usage', `${message}. Flags: --data DIR, --json, --once, --seed N`, EXIT_USAGE)
}
