import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Child processes outlive a supervisor that is killed. Each is recorded by pid and start time (a pid alone is reused), and
 * each carries a mark in its environment, for the one that was started a moment before the kill. The next start on the same
 * data directory ends them.
 */
type RecordedProcess = { readonly pid: number; readonly started: string }

const FILE = 'processes.json'
const MARK = 'FLAREWATCH_STACK'
/** A Postgres that is told to stop at once does so in milliseconds; what is still there after this long will not listen. */
const END_DEADLINE_MS = 3000
const END_POLL_MS = 10

/** From here on every child inherits the mark of this data directory. */
export function markChildren(dir: string): void {
  process.env[MARK] = dir
}

/** The mark, for a child that does not inherit its environment. */
export function childMark(): Record<string, string> {
  const dir = process.env[MARK]
  return dir === undefined ? {} : { [MARK]: dir }
}

export function recordProcesses(dir: string): void {
  const recorded = [process.pid, ...descendants(process.pid)].map(describe).filter((found) => found !== undefined)
  writeFileSync(join(dir, FILE), JSON.stringify(recorded), { mode: 0o600 })
}

export function forgetProcesses(dir: string): void {
  rmSync(join(dir, FILE), { force: true })
}

/** The supervisor that recorded itself first in the file, when it is still running. */
export function runningSupervisor(dir: string): number | undefined {
  const [supervisor] = readRecorded(dir)
  return supervisor !== undefined && isSame(supervisor) && supervisor.pid !== process.pid ? supervisor.pid : undefined
}

/** Ends what an earlier supervisor left behind, and waits until it is gone; returns how many processes that were. */
export async function endOrphans(dir: string): Promise<number> {
  const ours = new Set([process.pid, ...descendants(process.pid)])
  const left = new Map([...readRecorded(dir).filter(isSame), ...markedWith(dir)].map((found) => [found.pid, found]))
  const orphans = [...left.values()].filter(({ pid }) => !ours.has(pid))
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    const running = orphans.filter(isSame)
    for (const { pid } of running) endProcess(pid, signal)
    await untilGone(running)
  }
  forgetProcesses(dir)
  return orphans.length
}

async function untilGone(processes: readonly RecordedProcess[]): Promise<void> {
  for (let waited = 0; waited < END_DEADLINE_MS && processes.some(isSame); waited += END_POLL_MS)
    await sleep(END_POLL_MS)
}

/** Ends every process that this one has started and that still runs. */
export function endDescendants(): void {
  for (const pid of descendants(process.pid)) endProcess(pid, 'SIGQUIT')
}

/** Postgres treats SIGQUIT as "stop now, recover from the log at the next start"; the others just end. */
function endProcess(pid: number, signal: 'SIGQUIT' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
    // One that was paused ends only once it is woken.
    process.kill(pid, 'SIGCONT')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function markedWith(dir: string): RecordedProcess[] {
  const mark = `${MARK}=${dir}`
  return processIds()
    .filter((pid) => environmentOf(pid).includes(mark))
    .map(describe)
    .filter((found) => found !== undefined)
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    // Gone meanwhile, or another user's.
    return []
  }
}

function readRecorded(dir: string): RecordedProcess[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(dir, FILE), 'utf8'))
    return Array.isArray(parsed) ? parsed.filter(isRecorded) : []
  } catch {
    // No file, or one cut short by the crash: nothing can be known, and Postgres has a pid file of its own.
    return []
  }
}

function isRecorded(value: unknown): value is RecordedProcess {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'started' in value &&
    typeof value.started === 'string'
  )
}

function isSame(recorded: RecordedProcess): boolean {
  return describe(recorded.pid)?.started === recorded.started
}

/** Reads `/proc/PID/stat` (proc(5)): field 22 is the start time, field 4 the parent, field 3 the state. */
function describe(pid: number): RecordedProcess | undefined {
  const fields = statFields(pid)
  return fields === undefined || fields.state === 'Z' ? undefined : { pid, started: fields.started }
}

function statFields(pid: number): { state: string; parent: number; started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold blanks: fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

function descendants(ancestor: number): number[] {
  const parents = new Map<number, number>()
  for (const pid of processIds()) {
    const fields = statFields(pid)
    if (fields !== undefined) parents.set(pid, fields.parent)
  }
  const belongs = (pid: number): boolean => {
    const parent = parents.get(pid)
    return parent !== undefined && parent > 1 && (parent === ancestor || belongs(parent))
  }
  return [...parents.keys()].filter(belongs)
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    // Not Linux: there is no /proc, and orphans are left to their own parent-death handling.
    return []
  }
}
