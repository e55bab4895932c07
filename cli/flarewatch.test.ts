import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { formatBackupPublicKey, parseBackupPrivateKey } from '../domain/backup/key.ts'
import { isDemoKek, parseKek } from '../domain/envelope/kek.ts'
import { OperatorKey } from './operator.ts'

const BIN = join(import.meta.dirname, 'flarewatch.mjs')
const Document = z.looseObject({
  ok: z.boolean(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})
let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-cli-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

describe('S2: keys generate', () => {
  test('makes a key of 32 random bytes that only its owner reads, and prints none of it', () => {
    const { status, document, stdout } = run('keys', 'generate')
    const path = join(dir, 'secrets', 'kek.v1')
    expect([status, document]).toEqual([0, { ok: true, version: 1, path }])
    const text = readFileSync(path, 'utf8').split('\n')[1] ?? ''
    const kek = parseKek(1, text)
    expect(kek.ok && isDemoKek(kek.value.bytes)).toBe(false)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'secrets')).mode & 0o777).toBe(0o700)
    expect(stdout).not.toContain(text)
  })

  test('never overwrites, and says how to make the next version', () => {
    run('keys', 'generate')
    const before = readFileSync(join(dir, 'secrets', 'kek.v1'), 'utf8')
    const { status, document } = run('keys', 'generate')
    expect([status, document.error?.code]).toEqual([1, 'kek_exists'])
    expect(document.error?.message).toContain('--version 2')
    expect(readFileSync(join(dir, 'secrets', 'kek.v1'), 'utf8')).toBe(before)
    expect(run('keys', 'generate', '--version', '2').status).toBe(0)
  })

  test.each(['0', '-1', '1.5', 'two', '4294967296'])('version %s is a usage error and writes nothing', (version) => {
    expect(run('keys', 'generate', `--version=${version}`).status).toBe(2)
    expect(existsSync(join(dir, 'secrets'))).toBe(false)
  })
})

describe("the operator's key", () => {
  test('is made once, only its owner reads it, and its public half is what the vault is given', () => {
    const { status, document } = run('keys', 'generate', '--operator')
    const path = join(dir, 'secrets', 'operator.key')
    const key = OperatorKey.parse(JSON.parse(readFileSync(path, 'utf8')))
    expect([status, document]).toEqual([0, { ok: true, path, public_key: { kty: 'OKP', crv: 'Ed25519', x: key.x } }])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(run('keys', 'generate', '--operator').document.error?.code).toBe('operator_key_exists')
    expect(run('keys', 'generate', '--operator', '--version', '2').status).toBe(2)
  })

  test('is asked for by name where there is none, and sent nowhere in the clear', () => {
    const freeze = ['freeze', '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11', '--reason', 'drill']
    expect(run(...freeze).document.error?.code).toBe('not_running')
    expect(run(...freeze, '--vault', 'http://vault.example')).toMatchObject({ status: 2 })
    const missing = run(...freeze, '--vault', 'https://127.0.0.1:1')
    expect([missing.status, missing.document.error?.code]).toEqual([78, 'operator_key_missing'])
  })
})

describe('V2: backup generate-key', () => {
  const key = () => join(dir, '..', `${basename(dir)}.backup.key`)
  afterEach(() => rmSync(key(), { force: true }))

  test('writes the private half where the operator says, for its owner alone, and the public half for the stack', async () => {
    const { status, document, stdout } = run('backup', 'generate-key', '--out', key())
    const publicPath = join(dir, 'secrets', 'backup.pub')
    expect([status, document]).toMatchObject([0, { ok: true, path: key(), public_path: publicPath }])
    const text = readFileSync(key(), 'utf8').split('\n')[1] ?? ''
    const pair = await parseBackupPrivateKey(text)
    if (!pair.ok) throw new Error(pair.code)
    expect(document.public_key).toBe(formatBackupPublicKey(pair.value.publicKey))
    expect(readFileSync(publicPath, 'utf8').trim()).toBe(document.public_key)
    expect(statSync(key()).mode & 0o777).toBe(0o600)
    expect(stdout).not.toContain(text)
  })

  test('never overwrites either half', () => {
    const first = run('backup', 'generate-key', '--out', key())
    const before = readFileSync(key(), 'utf8')
    expect(run('backup', 'generate-key', '--out', key()).document.error?.code).toBe('backup_key_exists')
    expect(readFileSync(key(), 'utf8')).toBe(before)
    rmSync(key())
    expect(run('backup', 'generate-key', '--out', key()).document).toMatchObject({ ok: true, public_path: null })
    expect(readFileSync(join(dir, 'secrets', 'backup.pub'), 'utf8').trim()).toBe(first.document.public_key)
  })

  test('keeps the private half out of the data directory, unless told', () => {
    const inside = join(dir, 'secrets', 'backup.key')
    const { status, document } = run('backup', 'generate-key', '--out', inside)
    expect([status, document.error?.code]).toEqual([2, 'backup_key_in_data_directory'])
    expect(existsSync(inside)).toBe(false)
  })
})

test.each([[['no', 'such']], [['keys', 'generate', '--no-such']], [['keys', 'generate', 'extra']]])(
  '%j is a usage error',
  (args) => {
    const { status, document } = run(...args)
    expect([status, document.ok, document.error?.code]).toEqual([2, false, 'usage'])
  },
)

test('status says when no stack runs', () => {
  expect(run('status')).toMatchObject({ status: 1, document: { ok: false, error: { code: 'not_running' } } })
})

test('status says which parts do not answer', () => {
  const nowhere = 'http://127.0.0.1:1'
  const runFile = {
    pid: 1,
    gateway_url: nowhere,
    supabase_url: nowhere,
    publishable_key: 'sb_publishable_x',
    log_vkey: 'x',
  }
  writeFileSync(join(dir, 'run.json'), JSON.stringify(runFile))
  const { status, document } = run('status')
  expect(status).toBe(1)
  expect(document).toMatchObject({
    ok: false,
    parts: expect.arrayContaining([expect.objectContaining({ state: 'down' })]),
  })
})

function run(...args: string[]) {
  const { status, stdout } = spawnSync(process.execPath, [BIN, ...args, '--data', dir, '--json'], { encoding: 'utf8' })
  return { status, stdout, document: Document.parse(JSON.parse(stdout)) }
}
