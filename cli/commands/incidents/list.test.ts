import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const BIN = join(import.meta.dirname, '..', '..', 'flarewatch.mjs')
const TENANT = '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11'
const LINE = {
  id: '0b9f8a52-5f0e-4f0a-9d65-7f8f2f6f3a11',
  kind: 'row_edited',
  seq: 41,
  part: 'verifier',
  at: '2026-11-26T02:15:00.000Z',
  acknowledged_at: null,
}
const dir = mkdtempSync(join(tmpdir(), 'flarewatch-incidents-'))
let asked: string[] = []
let answer: unknown
let server: Server

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers['flarewatch-tenant']}`)
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  const url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
  const session = { gateway_url: url, supabase_url: url, publishable_key: 'k', email: 'e', access_token: 'a' }
  mkdirSync(join(dir, 'secrets'))
  writeFileSync(
    join(dir, 'secrets', 'session.json'),
    JSON.stringify({ ...session, refresh_token: 'r', expires_at: Date.now() }),
  )
})
afterAll(() => {
  server.close()
  rmSync(dir, { recursive: true })
})

describe('L4: incidents list', () => {
  test('tells a script kind, first bad row and what to do', async () => {
    answer = { incidents: [LINE], open: 1, more: false }
    asked = []
    const [status, stdout] = await list('--json')
    expect([status, asked]).toEqual([0, [`/api/incidents?state=all ${TENANT}`]])
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      tenant_id: TENANT,
      open: 1,
      more: false,
      incidents: [{ kind: 'row_edited', seq: 41, grave: true, next: expect.stringContaining('Change nothing') }],
    })
  })

  test('tells a person the same in words, and asks for the open ones alone when told to', async () => {
    answer = {
      incidents: [LINE, { ...LINE, seq: null, kind: 'new_kind', acknowledged_at: LINE.at }],
      open: 1,
      more: true,
    }
    asked = []
    const [status, stdout] = await list('--open')
    expect([status, asked]).toEqual([0, [`/api/incidents?state=open ${TENANT}`]])
    expect(stdout).toContain(
      '2026-11-26 02:15:00 UTC  A row of the audit log was changed, from row 41 on  (row_edited)',
    )
    expect(stdout).toContain('Incident “new kind”  (new_kind, acknowledged)')
    expect(stdout).toContain('1 incident is open; older ones are not listed')
  })

  test('says so when there is none', async () => {
    answer = { incidents: [], open: 0, more: false }
    expect(await list()).toEqual([0, 'No incident is open\n'])
  })
})

async function list(...more: string[]): Promise<[number | null, string]> {
  const args = [BIN, 'incidents', 'list', '--tenant', TENANT, '--data', dir, ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  return [status, stdout]
}
