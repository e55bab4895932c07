import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { Victim } from './plan.ts'

/** `DIR/processes.json` and `/proc`: all that is known of a stack's processes from outside. */
export type Found = { readonly pid: number; readonly started: string }

const Recorded = z.array(z.object({ pid: z.int(), started: z.string() }))

export function recordedProcesses(dir: string): Found[] {
  try {
    return Recorded.parse(JSON.parse(readFileSync(join(dir, 'processes.json'), 'utf8')))
  } catch {
    return []
  }
}

/** The processes of one kind that the stack has recorded and that run; the supervisor is the one that was started. */
export function processesOf(dir: string, victim: Exclude<Victim, 'supervisor'>): Found[] {
  return recordedProcesses(dir).filter((found) => isRunning(found) && isA(victim, found.pid, dir))
}

function isA(victim: Exclude<Victim, 'supervisor'>, pid: number, dir: string): boolean {
  const args = readProc(pid, 'cmdline').split('\0')
  const program = basename(args[0] ?? '')
  if (victim === 'postgres') return program === 'postgres' && args.includes(join(dir, 'postgres', 'data'))
  return program === (victim === 'function' ? 'deno' : 'workerd')
}

/** The same process, and not one that has ended and waits for its parent to read its status. */
export function isRunning({ pid, started }: Found): boolean {
  const fields = statFields(pid)
  return fields?.[19] === started && fields[0] !== 'Z'
}

export function isProcess(pid: number): boolean {
  const state = statFields(pid)?.[0]
  return state !== undefined && state !== 'Z'
}

/** Every running process that names the data directory in its arguments or its environment. */
export function processesNaming(dir: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && isProcess(pid))
    .filter((pid) => `${readProc(pid, 'cmdline')}\0${readProc(pid, 'environ')}`.includes(dir))
}

/** `/proc/PID/stat` from the state on (proc(5), field 3): the name before it may hold blanks. */
function statFields(pid: number): string[] | undefined {
  const stat = readProc(pid, 'stat')
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function readProc(pid: number, file: 'cmdline' | 'environ' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
