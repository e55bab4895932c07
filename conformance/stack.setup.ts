import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type RunFile, readRun } from './run-file.ts'
import { simulate } from './stack.ts'

/** Boots the demo as a user would, once for all whole-stack tests, on a data directory that is removed afterwards. */
const BOOT_DEADLINE_MS = 120_000
const SHORT_HISTORY_SECONDS = 8 * 86_400

declare module 'vitest' {
  interface ProvidedContext {
    dataDir: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flarewatch-stack-'))
  const child = spawn(process.execPath, ['tools/launch.mjs', 'local/demo.ts', '--data', dataDir], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await untilSeeded(dataDir, child)
  project.provide('dataDir', dataDir)
  return async () => {
    const ended = new Promise((closed) => child.once('close', closed))
    child.kill('SIGINT')
    await ended
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function untilSeeded(dataDir: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + BOOT_DEADLINE_MS
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the demo ended with status ${child.exitCode} before it was ready`)
    const run = readRun(dataDir)
    if (run?.demo !== undefined) return shorten(run)
    await new Promise((passed) => setTimeout(passed, 100))
  }
  child.kill('SIGKILL')
  throw new Error('the demo was not ready in time')
}

/** Every test's agency reads a history: of days here, where the demo's is of a year. */
async function shorten(run: RunFile): Promise<void> {
  for (const dataset of ['httpRequestsAdaptiveGroups', 'httpRequests1hGroups', 'httpRequests1dGroups']) {
    await simulate(run, 'limits', { dataset, notOlderThan: SHORT_HISTORY_SECONDS })
  }
}
