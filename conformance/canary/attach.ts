import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type RunFile, readRun } from '../run-file.ts'
import { CanaryFailed } from './arguments.ts'

export type Attached = { readonly run: RunFile; readonly stop: () => Promise<void> }

const CHECKOUT = dirname(dirname(import.meta.dirname))
const BOOT_DEADLINE_MS = 180_000

/** The stack that runs on DIR, or one booted for as long as the sweep takes. */
export async function attach(dir: string): Promise<Attached> {
  const running = readRun(dir)
  if (running !== undefined && isAlive(running.pid)) return { run: running, stop: async () => {} }
  const child = spawn(process.execPath, ['tools/launch.mjs', 'local/demo.ts', '--data', dir], {
    cwd: CHECKOUT,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk)
    complaint += chunk.toString()
  })
  const ended = new Promise<void>((closed) => child.once('close', () => closed()))
  const stop = async () => {
    child.kill('SIGINT')
    await ended
  }
  const deadline = Date.now() + BOOT_DEADLINE_MS
  while (Date.now() < deadline && child.exitCode === null) {
    const run = readRun(dir)
    if (run?.demo !== undefined && run.pid === child.pid) return { run, stop }
    await wait(100)
  }
  await stop()
  throw new CanaryFailed(
    'stack_not_started',
    `no stack ran on ${join(dir, 'run.json')} and none could be booted: ${complaint.trim()}`,
  )
}

/** A run.json outlives a supervisor that was killed. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
