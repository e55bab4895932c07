import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SessionWitness, sessionWitness } from './pool/session-state.ts'
import { type EmbeddedPostgres, startPostgres } from './postgres.ts'

/** Of each role: every transaction of a stand comes upon a session that others have used. */
const LENT_CONNECTIONS = 1

/**
 * A migrated Postgres in a folder of its own that goes when it stops: for lint and tests. Its pool cleans nothing: what a path leaves on
 * a connection fails the stop, and with it the test file that went that path (T4). A benchmark takes the pool as it is shipped.
 */
export async function startThrowawayPostgres(pool: 'watched' | 'shipped' = 'watched'): Promise<EmbeddedPostgres> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-postgres-'))
  const remove = () => rmSync(dir, { recursive: true, force: true })
  let witness: SessionWitness | undefined
  const lending = async (superuserUrl: string) => {
    witness = await sessionWitness(superuserUrl)
    return { limits: { maxConnections: LENT_CONNECTIONS }, witness }
  }
  try {
    const postgres = await startPostgres(pool === 'watched' ? { dir, lending } : { dir })
    return {
      ...postgres,
      stop: async () => {
        await postgres.stop()
        remove()
        const left = new Set(witness?.leftBehind)
        if (left.size > 0) throw new Error(`left on connections of the pool: ${[...left].join('; ')}`)
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}
