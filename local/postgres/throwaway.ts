import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startPostgres } from './postgres.ts'

/** A migrated Postgres in a folder of its own that goes when it stops: for lint and tests. */
export async function startThrowawayPostgres(): Promise<EmbeddedPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-postgres-'))
  const remove = () => rmSync(dir, { recursive: true, force: true })
  try {
    const postgres = await startPostgres({ dir })
    return {
      ...postgres,
      stop: async () => {
        await postgres.stop()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}
