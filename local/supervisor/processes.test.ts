import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { endOrphans, recordProcesses, runningSupervisor } from './processes.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-processes-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('what a killed supervisor leaves behind', () => {
  test('a recorded child is ended by the next start', async () => {
    const child = spawn('sleep', ['60'])
    const ended = new Promise((closed) => child.once('close', (_, signal) => closed(signal)))
    recordProcesses(dir)
    expect(endOrphans(dir)).toBeGreaterThanOrEqual(1)
    expect(await ended).toBe('SIGQUIT')
  })

  test('a pid that was reused by another process is left alone', () => {
    const child = spawn('sleep', ['60'])
    writeFileSync(join(dir, 'processes.json'), JSON.stringify([{ pid: child.pid, started: '1' }]))
    expect(endOrphans(dir)).toBe(0)
    expect(child.kill(0)).toBe(true)
    child.kill()
  })

  test('a file that the crash cut short is no record', () => {
    writeFileSync(join(dir, 'processes.json'), '[{"pid": 1, "sta')
    expect(endOrphans(dir)).toBe(0)
  })

  test('the process that recorded itself is not taken for another supervisor', () => {
    recordProcesses(dir)
    expect(runningSupervisor(dir)).toBeUndefined()
    expect(JSON.parse(readFileSync(join(dir, 'processes.json'), 'utf8'))).toContainEqual(
      expect.objectContaining({ pid: process.pid }),
    )
  })
})
