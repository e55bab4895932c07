import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** `DIR/run.json`: all that black-box checks know of a stack. */
const RunFile = z.object({
  pid: z.int(),
  gateway_url: z.url(),
  supabase_url: z.url(),
  publishable_key: z.string(),
  functions_url: z.url(),
  vault_url: z.url(),
  postgres_superuser_url: z.string(),
  simulators: z.record(z.string(), z.object({ api_url: z.url(), control_url: z.url() })),
  control: z.object({ url: z.url(), token: z.string() }),
  log_vkey: z.string(),
  demo: z.object({ email: z.string(), password: z.string(), totp_secret: z.string(), tenant_id: z.uuid() }).optional(),
})
export type RunFile = z.infer<typeof RunFile>

/** The stack's description, or undefined while none runs on that folder. */
export function readRun(dataDir: string): RunFile | undefined {
  try {
    return RunFile.parse(JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')))
  } catch (error) {
    if (error instanceof z.ZodError) throw error
    return undefined
  }
}
