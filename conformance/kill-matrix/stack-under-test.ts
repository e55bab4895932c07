import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type RunFile, readRun } from '../run-file.ts'
import type { Round } from './plan.ts'
import { type Found, isProcess, isRunning, processesNaming, processesOf, recordedProcesses } from './processes.ts'

/** The demo as a child process on a folder of its own, which may be killed, and started again on what it left. */
export type StackUnderTest = {
  readonly dir: string
  /** The stack as it runs now; waits while it is being started again. */
  readonly running: () => Promise<RunFile>
  /** Strikes; for a pause it comes back once the process goes on. */
  readonly strike: (round: Pick<Round, 'victim' | 'act' | 'choice' | 'pauseMs'>) => Promise<void>
  /** Waits until every part answers again, after a killed supervisor by starting anew. Milliseconds that it took. */
  readonly recover: (round: Pick<Round, 'againMs'>) => Promise<number>
  /** Ctrl-C. What it left behind, if anything. */
  readonly stop: () => Promise<string[]>
  readonly remove: () => void
}

/** How many of each a whole stack has on record. */
const RECORDED = { postgres: 1, workerd: 1, function: functionsOfManifest() }
const BOOT_DEADLINE_MS = 180_000
const RECOVERY_DEADLINE_MS = 60_000
const ANSWER_DEADLINE_MS = 3000
const STOP_DEADLINE_MS = 5000
const LOOK_EVERY_MS = 100
const MAX_WORDS = 4000

function functionsOfManifest(): number {
  const manifest: unknown = JSON.parse(readFileSync('edge-functions/functions.json', 'utf8'))
  return z.object({ functions: z.array(z.unknown()) }).parse(manifest).functions.length
}

export async function bootStackUnderTest(): Promise<StackUnderTest> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-kills-'))
  let demo = startDemo(dir)
  let run = untilSeeded(dir, demo)
  const killOnExit = () => demo.child.kill('SIGINT')
  process.once('exit', killOnExit)
  await run

  let isDown = false
  let announce = (_next: Promise<RunFile>) => {}
  const kill = async (target: Found): Promise<void> => {
    if (target.pid === demo.child.pid) {
      isDown = true
      const { promise, resolve } = Promise.withResolvers<RunFile>()
      run = promise
      announce = resolve
    }
    process.kill(target.pid, 'SIGKILL')
    while (isRunning(target)) await sleep(1)
  }
  const restart = async (): Promise<void> => {
    const left = recordedProcesses(dir)
    const unrecorded = processesNaming(dir).filter((pid) => left.every((known) => known.pid !== pid))
    demo = startDemo(dir)
    announce(untilSeeded(dir, demo))
    await run
    isDown = false
    const orphans = [...left.filter(isRunning).map(({ pid }) => pid), ...unrecorded.filter(isProcess)]
    if (orphans.length > 0) throw new Error(`processes of the killed stack still run: ${orphans.join(', ')}`)
  }
  return {
    dir,
    running: () => run,
    strike: async (round) => {
      const target = targetOf(round, dir, demo.child)
      if (round.act === 'kill') {
        await kill(target)
        return
      }
      process.kill(target.pid, 'SIGSTOP')
      await sleep(round.pauseMs)
      process.kill(target.pid, 'SIGCONT')
    },
    recover: async ({ againMs }) => {
      const began = Date.now()
      if (isDown && againMs !== null) await killInBoot(dir, againMs)
      if (isDown) await restart()
      await untilHealthy(await run, dir, demo)
      return Date.now() - began
    },
    stop: () => stop(dir, demo).finally(() => process.removeListener('exit', killOnExit)),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}

async function killInBoot(dir: string, afterMs: number): Promise<void> {
  const { child } = startDemo(dir)
  const ended = new Promise((closed) => child.once('exit', closed))
  await sleep(afterMs)
  child.kill('SIGKILL')
  await ended
}

type Demo = { readonly child: ChildProcess; readonly lastWords: () => string }

function startDemo(dir: string): Demo {
  const child = spawn(process.execPath, ['tools/launch.mjs', 'local/demo.ts', '--data', dir], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: tmpdir() },
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-MAX_WORDS)
  })
  return { child, lastWords: () => said.trim().split('\n').slice(-4).join(' / ') }
}

/** A `run.json` of this very process: a killed one leaves its own behind. */
async function untilSeeded(dir: string, { child, lastWords }: Demo): Promise<RunFile> {
  for (const deadline = Date.now() + BOOT_DEADLINE_MS; Date.now() < deadline; await sleep(LOOK_EVERY_MS)) {
    const run = readRun(dir)
    if (run?.pid === child.pid && run?.demo !== undefined) return run
    if (child.exitCode !== null) break
  }
  child.kill('SIGINT')
  throw new Error(`the demo did not start: ${lastWords()}`)
}

function targetOf(round: Pick<Round, 'victim' | 'choice'>, dir: string, supervisor: ChildProcess): Found {
  const candidates =
    round.victim === 'supervisor'
      ? recordedProcesses(dir).filter(({ pid }) => pid === supervisor.pid)
      : processesOf(dir, round.victim)
  const target = candidates[Math.floor(round.choice * candidates.length)]
  if (target === undefined) throw new Error(`no ${round.victim} is recorded and runs`)
  return target
}

/** Every part answers, and every process that can be a victim is recorded. */
async function untilHealthy(run: RunFile, dir: string, { child, lastWords }: Demo): Promise<void> {
  let missing = ''
  for (const deadline = Date.now() + RECOVERY_DEADLINE_MS; Date.now() < deadline; await sleep(LOOK_EVERY_MS)) {
    if (child.exitCode !== null) throw new Error(`the supervisor ended by itself: ${lastWords()}`)
    missing = await firstMissing(run, dir)
    if (missing === '') return
  }
  throw new Error(`${missing} did not come back within ${RECOVERY_DEADLINE_MS / 1000} s`)
}

async function firstMissing(run: RunFile, dir: string): Promise<string> {
  for (const [victim, count] of Object.entries(RECORDED) as [keyof typeof RECORDED, number][]) {
    if (processesOf(dir, victim).length !== count) return victim
  }
  if (!(await answers(`${run.vault_url}/ready`))) return 'the vault, or the database behind it'
  if (!(await answers(`${run.functions_url}/_health`, { apikey: run.publishable_key }))) return 'a function'
  const reached = await fetchSoon(`${run.gateway_url}/api/sites`)
  return reached === 401 ? '' : 'the gateway'
}

async function answers(url: string, headers: Record<string, string> = {}): Promise<boolean> {
  return (await fetchSoon(url, headers)) === 200
}

async function fetchSoon(url: string, headers: Record<string, string> = {}): Promise<number> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

async function stop(dir: string, { child, lastWords }: Demo): Promise<string[]> {
  const recorded = recordedProcesses(dir)
  const ended = new Promise<number | null>((closed) => child.once('exit', closed))
  if (child.exitCode !== null || child.signalCode !== null) return [`the supervisor had ended already: ${lastWords()}`]
  const began = Date.now()
  child.kill('SIGINT')
  const status = await ended
  const took = Date.now() - began
  const left = [...recorded.filter(isRunning).map(({ pid }) => pid), ...processesNaming(dir)]
  return [
    ...(status === 0 ? [] : [`it stopped with status ${status}`]),
    ...(took <= STOP_DEADLINE_MS ? [] : [`it stopped only after ${took} ms`]),
    ...[...new Set(left)].map((pid) => `process ${pid} was left running`),
  ]
}
