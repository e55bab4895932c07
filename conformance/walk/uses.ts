import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import type { RunFile } from '../run-file.ts'
import { readAs } from './stage.ts'

const Manifest = z.object({
  functions: z.array(z.object({ name: z.string(), audit: z.array(z.string()).nonempty() })),
})
const Row = z.object({
  action: z.string(),
  outcome: z.object({ state: z.string(), code: z.string().optional() }).nullable(),
})
const Rows = z.object({ rows: z.array(Row), next_after_seq: z.int().nullable() })

/** Its one row is written once the permission is given. */
const WITHOUT_ENDING: ReadonlySet<string> = new Set(['step_up.mint'])

/** The agency's own log, from its first row, as the person at the page may read it. */
export async function logOf(page: Page, run: RunFile): Promise<z.output<typeof Row>[]> {
  const all: z.output<typeof Row>[] = []
  for (let after: number | null = 0; after !== null; ) {
    const path = `/api/audit?limit=200&after_seq=${after}`
    const { rows, next_after_seq }: z.output<typeof Rows> = Rows.parse((await readAs(page, run, path)).body)
    all.push(...rows)
    after = next_after_seq
  }
  return all
}

/** Each act of each function of the manifest that no row tells of as done, with the function's name. */
export function unusedActs(rows: readonly z.output<typeof Row>[]): string[] {
  const isDone = ({ action, outcome }: z.output<typeof Row>) =>
    outcome?.state === 'succeeded' || WITHOUT_ENDING.has(action)
  const done = new Set(rows.filter(isDone).map(({ action }) => action))
  const { functions } = Manifest.parse(JSON.parse(readFileSync('edge-functions/functions.json', 'utf8')))
  return functions.flatMap(({ name, audit }) => audit.filter((act) => !done.has(act)).map((act) => `${name}: ${act}`))
}
