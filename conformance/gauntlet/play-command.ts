import { z } from 'zod'
import { start } from '../command.ts'

const Report = z.object({
  ok: z.boolean(),
  seed: z.int(),
  cases: z.array(z.object({ kind: z.string(), tries: z.int(), detected: z.int(), ms: z.number(), by: z.string() })),
  vault: z.array(z.object({ kind: z.string(), tries: z.int(), refused: z.int() })),
  false_alarms: z.int(),
  findings: z.array(z.string()),
})

/** Every way of the issue that asked for this. A new one is welcome; one that is gone is missed by its test. */
export const KINDS = [
  'edit',
  'insert',
  'delete',
  'swap',
  'reorder',
  'duplicate',
  'truncate the tail',
  'move sealed content',
  'swap tags',
  'rewrite from row k',
  "graft another tenant's chain",
  'restore an older database',
  'roll back one Durable Object',
  'roll back both sides together',
  'fork',
  'delete a whole tenant',
  'replay an old receipt',
  'forge a receipt with another key',
  'turn RLS and triggers off and on again',
  'prune without a certificate',
] as const

/** The command as a user gives it, on the stack that runs on the folder. */
export async function playOn(
  dataDir: string,
  seed: number,
): Promise<{ status: number | null } & z.output<typeof Report>> {
  const args = ['--json', '--seed', String(seed), '--data', dataDir]
  const { status, stdout } = await start(['tools/launch.mjs', 'conformance/gauntlet/gauntlet.ts', ...args]).finished
  return { status, ...Report.parse(JSON.parse(stdout)) }
}
