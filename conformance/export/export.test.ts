import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOTP } from 'otpauth'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { type Agency, codeOf, foundAgency } from '../agency.ts'
import { CLI, start, testFolder } from '../command.ts'
import { enrolTotp, signInAgain, signUp } from '../person.ts'
import { runningStack } from '../running.ts'
import { fireCron, issueToken, until } from '../stack.ts'

/** What an agency can take away and check by itself, by the commands that it would use. */
const run = runningStack()
let agency: Agency

beforeAll(async () => {
  agency = await foundAgency(run)
  await agency.store(await issueToken(run))
  await untilSigned(3)
})

describe('an agency signs in from its own machine', () => {
  test('L6: takes its log away, and verifies it with nothing but the file and the key', async () => {
    const home = testFolder()
    const login = await signIn(home)
    expect(login).toMatchObject({
      status: 0,
      document: { ok: true, tenants: [{ id: agency.tenantId, role: 'owner' }] },
    })
    expect(statSync(join(home, 'secrets', 'session.json')).mode & 0o777).toBe(0o600)

    const file = join(home, 'log.ndjson')
    const taken = await cli(
      home,
      'audit',
      'export',
      '--tenant',
      agency.tenantId,
      '--out',
      file,
      '--trust',
      run.log_vkey,
    )
    expect(taken).toMatchObject({ status: 0, document: { ok: true, first_seq: 1, anchored: true, failure: null } })
    const verified = await cli(home, 'audit', 'verify', file, '--trust', run.log_vkey)
    expect(verified.status).toBe(0)
    const { tenant_id, path, ...report } = taken.document
    // Beside what `export` said: how much of the log had been seen from this folder before.
    expect([tenant_id, path, verified.document]).toMatchObject([agency.tenantId, file, report])
    expect((await cli(home, 'audit', 'verify', file)).status).toBe(3)
  })

  test('L6: an export that was tampered with fails at its first bad row', async () => {
    const home = testFolder()
    await signIn(home)
    const file = join(home, 'log.ndjson')
    await cli(home, 'audit', 'export', '--out', file)
    const lines = readFileSync(file, 'utf8').split('\n')
    const row = JSON.parse(lines[2] ?? '')
    for (const [forged, code] of [
      [lines.with(2, JSON.stringify({ ...row, at: row.at + 1 })), 'hash_mismatch'],
      [lines.toSpliced(2, 1), 'sequence_gap'],
    ] as const) {
      writeFileSync(file, forged.join('\n'))
      expect(await cli(home, 'audit', 'verify', file, '--trust', run.log_vkey)).toMatchObject({
        status: 1,
        document: { ok: false, anchored: false, failure: { seq: 2, code } },
      })
    }
  })

  test('L6 L2: proves one row, remembers what was signed, and sees that the log only grew', async () => {
    const home = testFolder()
    await signIn(home)
    const first = await cli(home, 'audit', 'prove', '2', '--trust', run.log_vkey)
    expect(first).toMatchObject({ status: 0, document: { ok: true, seq: 2, anchored: true, previous_size: null } })
    const { size, row_id } = first.document as { size: number; row_id: string }
    await agency.store(await issueToken(run))
    await untilSigned(size + 1)
    const again = await cli(home, 'audit', 'prove', row_id)
    expect(again).toMatchObject({ status: 0, document: { seq: 2, anchored: true, previous_size: size } })
    expect((again.document as { size: number }).size).toBeGreaterThan(size)
    expect((await cli(home, 'audit', 'prove', '999999')).document).toMatchObject({ error: { code: 'not_found' } })
  })

  test('is not signed in by a wrong password or a wrong code, and signs out again', async () => {
    const home = testFolder()
    const wrong = await signIn(home, { password: 'not-the-password' })
    expect(wrong).toMatchObject({ status: 1, document: { error: { code: 'invalid_credentials' } } })
    expect(await signIn(home, { code: '000000' })).toMatchObject({ status: 1, document: { ok: false } })
    expect((await cli(home, 'audit', 'prove', '1')).document).toMatchObject({ error: { code: 'not_signed_in' } })
    await signIn(home)
    expect((await cli(home, 'logout')).status).toBe(0)
    expect((await cli(home, 'audit', 'prove', '1')).document).toMatchObject({ error: { code: 'not_signed_in' } })
  })
})

describe.each(['/api/audit/export', '/api/audit/rows/1/proof'])('%s', (path) => {
  test('A2: a password alone is refused', async () => {
    const onlyPassword = await signInAgain(run, agency.owner)
    const answer = await onlyPassword.read(path)
    expect([answer.status, codeOf(answer)]).toEqual([403, 'aal2_required'])
  })

  test('T4: an outsider who names the tenant is no member', async () => {
    const outsider = await signUp(run)
    await enrolTotp(outsider)
    const answer = await outsider.read(path, { 'flarewatch-tenant': agency.tenantId })
    expect([answer.status, codeOf(answer)]).toEqual([403, 'not_a_member'])
  })
})

test('L1: who did what is found by filters, newest first', async () => {
  const read = async (query: string) => {
    const answer = await agency.owner.read(`/api/audit?${query}`)
    return (answer.body as { rows: { seq: number; action: string; actor: string }[] }).rows
  }
  const stored = await read('action=credential.store')
  expect(stored.length).toBeGreaterThan(0)
  expect(stored.every(({ action }) => action === 'credential.store')).toBe(true)
  const [one] = stored
  const by = await read(`order=newest&actor=${encodeURIComponent(one?.actor ?? '')}`)
  expect(by.length).toBeGreaterThan(1)
  expect(by.map(({ seq }) => seq)).toEqual(by.map(({ seq }) => seq).toSorted((a, b) => b - a))
  expect(await read('action=credential.reveal')).toEqual([])
})

test("status shows the tenant's queue, cron and receipts by the login session", async () => {
  const dir = inject('dataDir')
  const login = ['login', '--email', agency.owner.email, '--totp', codeNow()]
  await command(dir, login, { FLAREWATCH_PASSWORD: agency.owner.password })
  const { document } = await cli(dir, 'status')
  const { parts, figures } = document as { parts: { name: string }[]; figures: Record<string, unknown> }
  expect(parts.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['gateway', 'sign-in', 'scheduler', 'queue', 'vault']),
  )
  expect(figures).toMatchObject({ dead_letters_24h: 0, open_incidents: 0 })
  // The stack on this folder says which key to trust.
  const file = join(testFolder(), 'log.ndjson')
  expect(await cli(dir, 'audit', 'export', '--out', file)).toMatchObject({ status: 0, document: { anchored: true } })
  await cli(dir, 'logout')
})

async function untilSigned(atLeast: number): Promise<void> {
  await until(async () => {
    await fireCron(run, 'verifier', '*/5 * * * *')
    const response = await fetch(`${run.gateway_url}/receipts/${agency.tenantId}`)
    return response.ok && Number((await response.text()).split('\n')[1]) >= atLeast
  }, 'the log was signed')
}

function codeNow(): string {
  return new TOTP({ secret: agency.totpSecret }).generate()
}

type Given = { readonly password?: string; readonly code?: string }

async function signIn(home: string, { password = agency.owner.password, code = codeNow() }: Given = {}) {
  const args = ['login', '--url', run.gateway_url, '--email', agency.owner.email, '--totp', code]
  return command(home, args, { FLAREWATCH_PASSWORD: password })
}

function cli(home: string, ...args: string[]) {
  return command(home, args, {})
}

async function command(home: string, args: readonly string[], env: Record<string, string>) {
  const { status, stdout } = await start([...CLI, ...args, '--data', home, '--json'], env).finished
  return { status, document: JSON.parse(stdout) as Record<string, unknown> }
}
