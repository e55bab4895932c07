import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeExportLine } from '../../../domain/audit/export.ts'
import { chainedRows } from '../../../domain/audit/row.fixture.ts'
import { genesisHash } from '../../../domain/audit/row.ts'
import { MerkleTree } from '../../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../../../domain/note/checkpoint.ts'
import { formatVkey, generateSigner, signNote } from '../../../domain/note/signed-note.ts'

const BIN = join(import.meta.dirname, '..', '..', 'flarewatch.mjs')
const TENANT = '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11'
const OTHER = '0b9f8a52-5f0e-4f0a-9d65-7f8f2f6f3a11'
const signer = await generateSigner('flarewatch.test/log')
const vkey = formatVkey(signer)
const lines = await exportLines()

let serve: (response: ServerResponse) => void
let asked: { readonly url: string; readonly token: string | undefined }[]
let server: Server
let url = ''
let dir: string
let file: string

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', token: request.headers.authorization })
    if (request.url === '/api/audit/export') return serve(response)
    if (request.url !== '/auth/v1/token?grant_type=refresh_token') return response.writeHead(404).end()
    const renewed = { access_token: 'renewed', refresh_token: 'next', expires_at: Date.now() }
    return response.end(JSON.stringify(renewed))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
})
afterAll(() => server.close())

beforeEach(() => {
  asked = []
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-export-'))
  file = join(dir, 'log.ndjson')
  mkdirSync(join(dir, 'secrets'))
  signedInUntil(Date.now())
  return () => rmSync(dir, { recursive: true })
})

describe('L6: audit export', () => {
  test('writes down what arrives, verifies it on the way, and remembers its checkpoint', async () => {
    serve = (response) => response.end(lines.join(''))
    const [status, document] = await exported('--trust', vkey)
    expect([status, document]).toMatchObject([0, { ok: true, rows: 5, last_seq: 5, anchored: true, tenant_id: TENANT }])
    expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
    expect(existsSync(join(dir, 'pins', `${TENANT}.json`))).toBe(true)
    expect((await exported())[0]).toBe(0)
  })

  test('keeps one that does not hold, since it is evidence, and does not remember it', async () => {
    const forged = lines.toSpliced(2, 1)
    serve = (response) => response.end(forged.join(''))
    expect(await exported('--trust', vkey)).toMatchObject([1, { failure: { seq: 2, code: 'sequence_gap' } }])
    expect(readFileSync(file, 'utf8')).toBe(forged.join(''))
    expect(existsSync(join(dir, 'pins'))).toBe(false)
  })

  test.each<[how: string, (response: ServerResponse) => void]>([
    ['torn off', (response) => response.write(lines.slice(0, 3).join(''), () => response.destroy())],
    ['ended early', (response) => response.end(lines.slice(0, 3).join(''))],
    ['empty', (response) => response.end()],
  ])('keeps nothing of an answer that is %s, and what was there before', async (_how, answer) => {
    writeFileSync(file, 'before')
    serve = answer
    const [status, document] = await exported('--trust', vkey)
    expect([status, document]).toMatchObject([1, { error: { code: 'export_broken_off' } }])
    expect([readFileSync(file, 'utf8'), existsSync(`${file}.part`)]).toEqual(['before', false])
  })

  test('refuses the log of another tenant, and passes on why the server refuses', async () => {
    serve = (response) => response.end(lines.join('').replace(TENANT, OTHER))
    expect(await exported()).toMatchObject([1, { error: { code: 'tenant_mismatch' } }])
    const error = { code: 'aal2_required', message: 'Confirm first.', request_id: 'x' }
    serve = (response) => response.writeHead(403).end(JSON.stringify({ error }))
    expect(await exported()).toMatchObject([1, { error: { code: 'aal2_required' } }])
    expect(existsSync(file)).toBe(false)
  })

  test('renews a session that is about to end, and keeps the token that follows', async () => {
    signedInUntil(Date.now() / 1000 + 5)
    serve = (response) => response.end(lines.join(''))
    expect((await exported())[0]).toBe(3)
    expect(asked.at(-1)).toEqual({ url: '/api/audit/export', token: 'Bearer renewed' })
    expect(JSON.parse(readFileSync(join(dir, 'secrets', 'session.json'), 'utf8'))).toMatchObject({
      refresh_token: 'next',
    })
  })
})

function signedInUntil(expires_at: number): void {
  const address = { gateway_url: url, supabase_url: url, publishable_key: 'k', email: 'e' }
  const session = { ...address, access_token: 'first', refresh_token: 'r', expires_at }
  writeFileSync(join(dir, 'secrets', 'session.json'), JSON.stringify(session))
}

async function exportLines(): Promise<string[]> {
  const [rows, tree] = [chainedRows(TENANT, 5), new MerkleTree()]
  for (const { hash } of rows) tree.append(hash)
  const chainHead = rows.at(-1)?.hash ?? new Uint8Array(32)
  const checkpoint = { origin: originOf(signer.name, TENANT), size: rows.length, root: tree.root(), chainHead, at: 0 }
  return [
    encodeExportLine({
      kind: 'header',
      tenantId: TENANT,
      firstSeq: 1,
      previousHash: genesisHash(TENANT),
      frontier: [],
    }),
    ...rows.map((row) => encodeExportLine({ kind: 'row', row })),
    encodeExportLine({ kind: 'checkpoint', note: await signNote(formatCheckpoint(checkpoint), [signer]) }),
  ]
}

async function exported(...more: string[]): Promise<[number | null, unknown]> {
  const args = [BIN, 'audit', 'export', '--tenant', TENANT, '--out', file, '--data', dir, '--json', ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  return [status, JSON.parse(stdout)]
}
