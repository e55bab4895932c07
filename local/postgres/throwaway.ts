import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
export async function startThrowawayPostgres(
  pool: 'watched' | 'shipped' = 'watched',
): Promise<EmbeddedPostgres & { readonly folder: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-postgres-'))
  const callOff = goWithThisProcess(dir)
  const remove = () => {
    callOff()
    rmSync(dir, { recursive: true, force: true })
  }
  let witness: SessionWitness | undefined
  const lending = async (superuserUrl: string) => {
    witness = await sessionWitness(superuserUrl)
    return { limits: { maxConnections: LENT_CONNECTIONS }, witness }
  }
  try {
    const postgres = await startPostgres(pool === 'watched' ? { dir, lending } : { dir })
    return {
      ...postgres,
      folder: dir,
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

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A command that is interrupted, or ends early, takes its server and the folder along. Returns what calls that off. */
function goWithThisProcess(dir: string): () => void {
  const end = () => {
    endServer(dir)
    // While the server still removes files of its own, what is gone meanwhile ends a removal without a word.
    while (existsSync(dir)) rmSync(dir, { recursive: true, force: true })
  }
  const onSignal = (signal: NodeJS.Signals) => {
    end()
    process.kill(process.pid, signal)
  }
  for (const signal of SIGNALS) process.once(signal, onSignal)
  process.once('exit', end)
  return () => {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal)
    process.removeListener('exit', end)
  }
}

/** SIGQUIT is Postgres's immediate shutdown: nothing of it is kept. */
function endServer(dir: string): void {
  try {
    const [pid] = readFileSync(join(dir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')
    process.kill(Number(pid), 'SIGQUIT')
  } catch {
    // It does not run, or not any more.
  }
}
