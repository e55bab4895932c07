import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Scale } from './report.ts'

export class UsageError extends Error {}

export type Arguments = {
  readonly dir: string
  readonly json: boolean
  readonly seed: number
  readonly scale: Scale
}

const DEFAULT_SEED = 1

/** npm runs scripts from the checkout: a relative DIR counts from where the user was. */
export function readArguments(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        data: { type: 'string' },
        json: { type: 'boolean' },
        seed: { type: 'string' },
        scale: { type: 'string' },
      },
    })
    const seed = Number(values.seed ?? DEFAULT_SEED)
    const { scale = 'ci', json = false } = values
    if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed takes a whole number')
    if (scale !== 'ci' && scale !== 'full') throw new Error('--scale takes ci or full')
    return { dir: resolve(process.env.INIT_CWD ?? '.', values.data ?? '.flarewatch'), json, seed, scale }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${message}. Flags: --data DIR, --seed N, --scale ci|full, --json`)
  }
}
