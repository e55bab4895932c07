import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { endOrphans, recordProcesses, runningSupervisor } from './processes.ts'

let dir: string
const others: number[] = []
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-processes-'))
})
afterEach(() => {
  for (const pid of others.splice(0)) process.kill(pid, 'SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

describe('what a killed supervisor leaves behind', () => {
  test('a recorded process is ended by the next start', async () => {
    const pid = await orphan()
    writeFileSync(join(dir, 'processes.json'), JSON.stringify([{ pid, started: startOf(pid) }]))
    expect(await endOrphans(dir)).toBe(1)
    expect(isRunning(pid)).toBe(false)
  })

  test('one that was never recorded is known by its mark', async () => {
    const pid = await orphan({ FLAREWATCH_STACK: dir })
    await orphan({ FLAREWATCH_STACK: `${dir}-other` }).then((other) => others.push(other))
    expect(await endOrphans(dir)).toBe(1)
    expect(isRunning(pid)).toBe(false)
  })

  test('one that is paused is woken to its end', async () => {
    const pid = await orphan({ FLAREWATCH_STACK: dir })
    process.kill(pid, 'SIGSTOP')
    expect(await endOrphans(dir)).toBe(1)
    expect(isRunning(pid)).toBe(false)
  })

  test('what this process itself has started is no orphan', async () => {
    const child = spawn('sleep', ['60'], { env: { FLAREWATCH_STACK: dir } })
    recordProcesses(dir)
    expect(await endOrphans(dir)).toBe(0)
    expect(child.kill()).toBe(true)
  })

  test('a pid that was reused by another process is left alone', async () => {
    const child = spawn('sleep', ['60'])
    writeFileSync(join(dir, 'processes.json'), JSON.stringify([{ pid: child.pid, started: '1' }]))
    expect(await endOrphans(dir)).toBe(0)
    expect(child.kill(0)).toBe(true)
    child.kill()
  })

  test('a file that the crash cut short is no record', async () => {
    writeFileSync(join(dir, 'processes.json'), '[{"pid": 1, "sta')
    expect(await endOrphans(dir)).toBe(0)
  })

  test('the process that recorded itself is not taken for another supervisor', () => {
    recordProcesses(dir)
    expect(runningSupervisor(dir)).toBeUndefined()
    expect(JSON.parse(readFileSync(join(dir, 'processes.json'), 'utf8'))).toContainEqual(
      expect.objectContaining({ pid: process.pid }),
    )
  })
})

/** A process whose parent has ended: as a killed supervisor leaves it. */
async function orphan(env: Record<string, string> = {}): Promise<number> {
  const script = `
    const { spawn } = require('node:child_process')
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    child.unref()
    console.log(child.pid)`
  const parent = spawn(process.execPath, ['-e', script], { env: { PATH: process.env.PATH, ...env } })
  const printed = new Promise<number>((read) => parent.stdout.once('data', (chunk: Buffer) => read(Number(chunk))))
  await new Promise((closed) => parent.once('close', closed))
  return printed
}

/** Field 22 of `/proc/PID/stat`; the name of `sleep` holds no blank. */
function startOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[21] ?? ''
}

/** An ended process stays in /proc until its new parent has read its status. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] !== 'Z'
  } catch {
    return false
  }
}
