import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { CommandRefused } from './command.ts'

/** What the commands need of `DIR/run.json`, which a stack writes while it runs. */
const RunFile = z.object({
  pid: z.int().positive(),
  gateway_url: z.url(),
  supabase_url: z.url(),
  publishable_key: z.string(),
  log_vkey: z.string(),
  /** The operator's commands go there; a run file of an older stack has none. */
  vault_url: z.url().optional(),
})
export type RunFile = z.infer<typeof RunFile>

export function findRunFile(dir: string): RunFile | null {
  try {
    return RunFile.parse(JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')))
  } catch {
    return null
  }
}

export function requireRunFile(dir: string): RunFile {
  const run = findRunFile(dir)
  if (run === null) throw new CommandRefused('not_running', `No stack runs on ${dir}. Start one: npm start`)
  return run
}
