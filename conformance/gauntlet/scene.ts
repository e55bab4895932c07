import { pick, type Random } from '../random.ts'
import { addRows, foundAgencies } from './agencies.ts'
import type { Scene, Target } from './forgery.ts'
import { readLog } from './log-rows.ts'
import { type Place, type SavedBucket, type SavedFiles, whilePaused } from './storage.ts'
import { CHAIN_TABLES, type Superuser } from './superuser.ts'
import { EVERY_FEW_MINUTES, NIGHTLY, type Raised, type Watch } from './watch.ts'

export type Sizes = {
  readonly tenants: number
  readonly earlierRows: number
  readonly laterRows: number
  readonly untouchedRuns: number
}
export type Set = { readonly scene: Scene; readonly falseAlarms: readonly Raised[] }

/**
 * Tenants whose logs grew in two stages, each of them signed. In between, all of both sides is copied, as a backup would be; after
 * that come runs over logs that nobody touches.
 */
export async function setScene(
  { dir, run }: Place,
  superuser: Superuser,
  watch: Watch,
  { sizes, random, say }: { readonly sizes: Sizes; readonly random: Random; readonly say: (line: string) => void },
): Promise<Set> {
  const { sql } = superuser
  say(`founding ${sizes.tenants} tenants and reading their logs until they have grown`)
  const agencies = await foundAgencies(run, sizes.tenants)
  for (const agency of agencies) await addRows(sql, agency, sizes.earlierRows)
  const falseAlarms = [...(await watch.fire(NIGHTLY))]

  const older = await superuser.save(
    CHAIN_TABLES,
    agencies.map(({ tenantId }) => tenantId),
  )
  const backups = new Map<string, { size: number; ledger: SavedFiles; bucket: SavedBucket }>()
  for (const { tenantId } of agencies) {
    const files = whilePaused(dir, (storage) => ({
      ledger: storage.saveFiles(storage.ledgerFile(tenantId)),
      bucket: storage.saveBucket(tenantId),
    }))
    const rows = await sql.begin((tx) => readLog(tx, tenantId))
    backups.set(tenantId, { size: rows.length, ...files })
  }

  for (const agency of agencies) await addRows(sql, agency, sizes.laterRows)
  say(`${sizes.untouchedRuns} runs of the verifier over logs that nobody touches`)
  for (let index = 1; index <= sizes.untouchedRuns; index += 1) {
    await addRows(sql, pick(agencies, random), 1)
    falseAlarms.push(...(await watch.fire(index % 2 === 0 ? EVERY_FEW_MINUTES : NIGHTLY)))
  }
  await watch.fire(NIGHTLY)

  const targets: Target[] = []
  for (const agency of agencies) {
    const { tenantId } = agency
    const rows = await sql.begin((tx) => readLog(tx, tenantId))
    const backup = backups.get(tenantId)
    if (backup !== undefined) targets.push({ agency, tenantId, rows, older: backup })
  }
  const [logName = ''] = run.log_vkey.split('+')
  return { scene: { superuser, targets, older, logName }, falseAlarms }
}
