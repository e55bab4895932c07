import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { readRun } from './run-file.ts'

/** Boots the demo as a user would, once for all whole-stack tests, on a data directory that is removed afterwards. */
const BOOT_DEADLINE_MS = 120_000

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
    if (readRun(dataDir)?.demo !== undefined) return
    await new Promise((passed) => setTimeout(passed, 100))
  }
  child.kill('SIGKILL')
  throw new Error('the demo was not ready in time')
}
