import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const FAST_SHUTDOWN_MS = 5000
const IMMEDIATE_SHUTDOWN_MS = 3000
const POLL_MS = 20
const PID_FILE = 'postmaster.pid'

/** Ends a Postgres that a killed supervisor left on this data directory. True when there was one. */
export async function endOrphanedPostgres(dataDir: string): Promise<boolean> {
  const pid = recordedPid(dataDir)
  if (pid === undefined) return false
  if (!isPostgresOn(pid, dataDir)) {
    // After a reboot the number may be another program's, and Postgres would take that for a living server.
    if (commandLine(pid)?.includes('postgres') === false) rmSync(join(dataDir, PID_FILE))
    return false
  }
  process.kill(pid, 'SIGINT')
  if (await isGone(pid, dataDir, FAST_SHUTDOWN_MS)) return true
  // The write-ahead log makes an immediate shutdown lose nothing; it only makes the next start replay.
  process.kill(pid, 'SIGQUIT')
  if (await isGone(pid, dataDir, IMMEDIATE_SHUTDOWN_MS)) return true
  throw new Error(`an earlier Postgres (pid ${pid}) on ${dataDir} does not stop`)
}

/** The first line is the process id of the server that holds the directory. */
function recordedPid(dataDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dataDir, PID_FILE), 'utf8').split('\n')[0])
    return Number.isInteger(pid) && pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

/** Process ids are reused: only a process that was started as `postgres -D <this directory>` is ours to stop. */
function isPostgresOn(pid: number, dataDir: string): boolean {
  const args = commandLine(pid)
  return args?.includes('postgres') === true && args.includes(dataDir)
}

function commandLine(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return execFileSync('ps', ['-p', String(pid), '-o', 'args='], { encoding: 'utf8' })
  } catch {
    return undefined
  }
}

async function isGone(pid: number, dataDir: string, withinMs: number): Promise<boolean> {
  for (let waited = 0; waited < withinMs; waited += POLL_MS) {
    if (!isPostgresOn(pid, dataDir)) return true
    await sleep(POLL_MS)
  }
  return false
}
