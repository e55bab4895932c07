import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLI, DEMO, OPERATOR, type Running, start, testFolder } from './command.ts'
import { type RunFile, readRun } from './run-file.ts'
import { until } from './stack.ts'

type Refusal = { ok: boolean; error: { code: string; message: string } }

describe("the operator's boot", () => {
  test('S2: without a KEK it refuses, names the command that makes one, and writes nothing', async () => {
    const dir = join(testFolder(), 'data')
    const { status, stdout } = await start([...OPERATOR, '--json', '--data', dir]).finished
    const { ok, error } = JSON.parse(stdout) as Refusal
    expect([status, ok, error.code]).toEqual([78, false, 'kek_missing'])
    expect(error.message).toContain('flarewatch keys generate')
    expect(existsSync(dir)).toBe(false)
  })

  test.each([
    ['too short', 'c2hvcnQ'],
    ['not base64url', '*'.repeat(43)],
    ['one repeated byte', 'A'.repeat(43)],
  ])('S2: a malformed KEK (%s) is refused and not echoed', async (_, kek) => {
    const dir = join(testFolder(), 'data')
    const { status, stdout, stderr } = await start([...OPERATOR, '--json', '--data', dir], {
      FLAREWATCH_KEK_V1: kek,
    }).finished
    expect([status, (JSON.parse(stdout) as Refusal).error.code]).toEqual([78, 'kek_malformed'])
    expect(stdout + stderr).not.toContain(kek)
    expect(existsSync(dir)).toBe(false)
  })

  test("S2: it boots on the operator's KEK, and with another KEK refuses to start on the same rows", async () => {
    const dir = join(testFolder(), 'data')
    expect((await start([...CLI, 'keys', 'generate', '--data', dir]).finished).status).toBe(0)
    const first = start([...OPERATOR, '--json', '--data', dir])
    await untilUp(first, dir)
    await stopped(first)

    rmSync(join(dir, 'secrets', 'kek.v1'))
    expect((await start([...CLI, 'keys', 'generate', '--data', dir]).finished).status).toBe(0)
    const second = await start([...OPERATOR, '--json', '--data', dir]).finished
    expect([second.status, (JSON.parse(second.stdout) as Refusal).error.code]).toEqual([78, 'kek_mismatch'])
  })

  test('S2: keys generate does not overwrite a KEK', async () => {
    const dir = join(testFolder(), 'data')
    await start([...CLI, 'keys', 'generate', '--data', dir]).finished
    const before = readFileSync(join(dir, 'secrets', 'kek.v1'), 'utf8')
    const again = await start([...CLI, 'keys', 'generate', '--data', dir]).finished
    expect(again.status).not.toBe(0)
    expect(readFileSync(join(dir, 'secrets', 'kek.v1'), 'utf8')).toBe(before)
  })
})

describe('the supervisor', () => {
  test('S2: a demo KEK is refused outside the demo; after SIGKILL the next start cleans up and loses nothing', async () => {
    const [dir, temporary] = [join(testFolder(), 'data'), testFolder()]
    const first = start([...DEMO, '--data', dir], { TMPDIR: temporary })
    await untilSeeded(first, dir)
    first.child.kill('SIGKILL')
    await first.finished
    expect(readdirSync(temporary)).toEqual([])

    const operator = await start([...OPERATOR, '--json', '--data', dir]).finished
    expect([operator.status, (JSON.parse(operator.stdout) as Refusal).error.code]).toEqual([78, 'kek_demo'])

    const { status, stdout, stderr } = await start([...DEMO, '--once', '--json', '--data', dir]).finished
    expect(status, stderr).toBe(0)
    const document = JSON.parse(stdout) as { boot: { kind: string }; credentials: number; chain: { ok: boolean } }
    expect(document).toMatchObject({ boot: { kind: 'warm' }, credentials: 2, chain: { ok: true } })
    expect(existsSync(join(dir, 'run.json'))).toBe(false)
  })

  test('a second start on the same folder is refused while the first runs; Ctrl-C ends all processes', async () => {
    const dir = join(testFolder(), 'data')
    const first = start([...DEMO, '--data', dir])
    await untilSeeded(first, dir)
    const { stdout } = await start([...DEMO, '--json', '--data', dir]).finished
    expect((JSON.parse(stdout) as Refusal).error.code).toBe('already_running')
    const recorded = JSON.parse(readFileSync(join(dir, 'processes.json'), 'utf8')) as { pid: number }[]
    expect(recorded.length).toBeGreaterThan(2)
    await stopped(first)
    const gone = async () => recorded.every(({ pid }) => !existsSync(`/proc/${pid}`))
    await until(gone, 'every process of the stack has ended', 5000)
  })

  test('a part that cannot start ends the boot with its name, and leaves nothing running', async () => {
    const dir = join(testFolder(), 'data')
    const { status } = await start([...CLI, 'keys', 'generate', '--data', dir]).finished
    expect(status).toBe(0)
    writeFileSync(join(dir, 'postgres'), 'a file where the cluster should be')
    const refused = await start([...OPERATOR, '--json', '--data', dir]).finished
    expect(refused.status).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({ ok: false, error: { code: 'part_failed', part: 'postgres' } })
  })
})

async function untilUp({ child }: Running, dir: string): Promise<RunFile> {
  await until(async () => child.exitCode !== null || readRun(dir) !== undefined, 'the stack is up', 60_000)
  const run = readRun(dir)
  if (run === undefined) throw new Error(`the stack ended with status ${child.exitCode}`)
  return run
}

async function untilSeeded(running: Running, dir: string): Promise<void> {
  await untilUp(running, dir)
  await until(async () => readRun(dir)?.demo !== undefined, 'the demo is seeded', 60_000)
}

async function stopped({ child, finished }: Running): Promise<void> {
  child.kill('SIGINT')
  expect((await finished).status).toBe(0)
}
