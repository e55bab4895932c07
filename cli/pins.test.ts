import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeExportLine } from '../domain/audit/export.ts'
import { chainedRows } from '../domain/audit/row.fixture.ts'
import { type AuditRow, genesisHash } from '../domain/audit/row.ts'
import { toBase64 } from '../domain/bytes.ts'
import { MailTenant } from '../domain/contracts/mail.ts'
import { composeMail } from '../domain/mail/compose.ts'
import { MerkleTree } from '../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../domain/note/checkpoint.ts'
import { formatVkey, generateSigner, signNote } from '../domain/note/signed-note.ts'

/** L2: each command that shows a checkpoint holds it against the last one seen from its folder. `audit prove` has tests beside it. */
const BIN = join(import.meta.dirname, 'flarewatch.mjs')
const TENANT = '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11'
const signer = await generateSigner('flarewatch.test/log')
const vkey = formatVkey(signer)

/** A history of 12 rows, signed by the log's own key whatever it says: a fork is made by who has the key. */
class History {
  readonly rows: readonly AuditRow[] = chainedRows(TENANT, 12)
  readonly tree = new MerkleTree()
  constructor() {
    for (const { hash } of this.rows) this.tree.append(hash)
  }

  note(size: number): Promise<string> {
    const chainHead = this.rows[size - 1]?.hash ?? new Uint8Array(32)
    const checkpoint = { origin: originOf(signer.name, TENANT), size, root: this.tree.root(size), chainHead, at: 0 }
    return signNote(formatCheckpoint(checkpoint), [signer])
  }

  async export(size: number): Promise<string> {
    const header = { firstSeq: 1, previousHash: genesisHash(TENANT), frontier: [] }
    return [
      encodeExportLine({ kind: 'header', tenantId: TENANT, ...header }),
      ...this.rows.slice(0, size).map((row) => encodeExportLine({ kind: 'row', row })),
      encodeExportLine({ kind: 'checkpoint', note: await this.note(size) }),
    ].join('')
  }
}
const honest = new History()
const forked = new History()

let served: Record<string, string>
let server: Server
let url = ''
let dir: string

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = served[request.url ?? '']
    const error = { code: 'not_found', message: 'There is nothing here.', request_id: 'x' }
    response.statusCode = answer === undefined ? 404 : 200
    response.end(answer ?? JSON.stringify({ error }))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
})
afterAll(() => server.close())

beforeEach(() => {
  served = {}
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-pins-'))
  const address = { gateway_url: url, supabase_url: url, publishable_key: 'sb_publishable_x' }
  const session = { ...address, email: 'e', access_token: 'a', refresh_token: 'r', expires_at: Date.now() }
  mkdirSync(join(dir, 'secrets'))
  writeFileSync(join(dir, 'secrets', 'session.json'), JSON.stringify(session))
  writeFileSync(join(dir, 'run.json'), JSON.stringify({ ...address, pid: 1, log_vkey: vkey }))
  return () => rmSync(dir, { recursive: true })
})

async function serve(history: History, size: number, from: readonly number[] = []): Promise<void> {
  served[`/receipts/${TENANT}`] = await history.note(size)
  served['/api/audit/export'] = await history.export(size)
  for (const start of from) {
    const proof = history.tree.consistencyProof(start, size)
    served[`/receipts/${TENANT}/${start}/${size}`] = proof.map((hash) => `${toBase64(hash)}\n`).join('')
  }
}

function pinnedSize(): number | null {
  try {
    const { checkpoint } = JSON.parse(readFileSync(join(dir, 'pins', `${TENANT}.json`), 'utf8'))
    return Number(String(checkpoint).split('\n')[1])
  } catch {
    return null
  }
}

describe('L2: audit export', () => {
  const take = () => run('audit', 'export', '--tenant', TENANT, '--out', join(dir, 'log'), '--trust', vkey)

  test('accepts a log that has grown, and refuses one that forked or was cut back', async () => {
    await serve(honest, 5)
    expect((await take())[0]).toBe(0)
    await serve(honest, 9, [5])
    expect([(await take())[0], pinnedSize()]).toEqual([0, 9])
    await serve(forked, 12, [9])
    expect(await take()).toMatchObject([1, { error: { code: 'checkpoint_inconsistent' } }])
    await serve(honest, 6)
    expect(await take()).toMatchObject([1, { error: { code: 'checkpoint_rolled_back' } }])
    expect(pinnedSize()).toBe(9)
  })
})

describe('L2: audit verify, with no access to us', () => {
  async function verify(history: History, size: number) {
    const file = join(dir, 'log')
    writeFileSync(file, await history.export(size))
    return run('audit', 'verify', file, '--trust', vkey)
  }

  test('begins no memory of a log, and goes on with one that another command began', async () => {
    expect([(await verify(honest, 5))[0], pinnedSize()]).toEqual([0, null])
    await serve(honest, 5)
    await run('audit', 'export', '--tenant', TENANT, '--out', join(dir, 'first'), '--trust', vkey)
    expect(await verify(honest, 12)).toMatchObject([0, { ok: true, rows: 12, previous_size: 5 }])
    expect(pinnedSize()).toBe(12)
    // An older file is still good evidence; it does not take the memory back.
    expect(await verify(honest, 7)).toMatchObject([0, { ok: true, rows: 7, previous_size: 12 }])
    expect(pinnedSize()).toBe(12)
  })

  test('refuses a file of another history, though the trusted key has signed it', async () => {
    await serve(honest, 5)
    await run('audit', 'export', '--tenant', TENANT, '--out', join(dir, 'first'), '--trust', vkey)
    const failure = { seq: 5, code: 'checkpoint_inconsistent' }
    expect(await verify(forked, 12)).toMatchObject([1, { ok: false, failure }])
    expect(pinnedSize()).toBe(5)
  })
})

describe('L2: status', () => {
  const me = { user: { id: TENANT, email: 'e', aal: 'aal1', totp_enrolled: true } }
  const logOf = async () => {
    served['/api/me'] = JSON.stringify({
      ...me,
      tenants: [{ id: TENANT, name: 'Ash', role: 'owner', tier: 'free', state: 'active' }],
    })
    served['/api/status'] = JSON.stringify({ ok: true, parts: [], figures: null })
    const [, document] = await run('status')
    return (document as { parts: { name: string }[] }).parts.find(({ name }) => name === 'log')
  }

  test('remembers the log of who is signed in, and says when it forked, was cut back or is gone', async () => {
    expect(await logOf()).toEqual({ name: 'log', state: 'ok', detail: 'no checkpoint yet' })
    await serve(honest, 5)
    expect(await logOf()).toEqual({ name: 'log', state: 'ok', detail: '5 rows signed' })
    await serve(honest, 9, [5])
    expect(await logOf()).toMatchObject({
      state: 'ok',
      detail: '9 rows signed, unchanged in the 5 seen from here before',
    })
    await serve(forked, 12, [9])
    expect(await logOf()).toMatchObject({ state: 'down', detail: expect.stringContaining('checkpoint_inconsistent') })
    await serve(honest, 6)
    expect(await logOf()).toMatchObject({ state: 'down', detail: expect.stringContaining('checkpoint_rolled_back') })
    served = {}
    expect(await logOf()).toMatchObject({ state: 'down', detail: expect.stringContaining('checkpoint_gone') })
    expect(pinnedSize()).toBe(9)
  })
})

describe('L2: audit checkpoint', () => {
  async function check(kept: string) {
    const file = join(dir, 'mail.txt')
    writeFileSync(file, kept)
    return run('audit', 'checkpoint', file, '--tenant', TENANT, '--trust', vkey)
  }
  async function mailed(size: number): Promise<string> {
    const payload = { size, note: await honest.note(size) }
    const tenant = MailTenant.parse({ id: TENANT, name: 'Ash' })
    return composeMail({ kind: 'receipt', payload }, tenant, { gatewayUrl: url, joinUrl: (id) => id })?.text ?? ''
  }

  test("finds in today's log what a mail of an earlier night has signed", async () => {
    await serve(honest, 12, [5])
    expect(await check(await mailed(5))).toMatchObject([0, { ok: true, size: 5, newest_size: 12, previous_size: null }])
    expect(pinnedSize()).toBe(12)
    expect((await check((await mailed(12)).replaceAll('\n', '\r\n')))[0]).toBe(0)
  })

  test('names a rewrite from a folder that has never seen the log', async () => {
    await serve(forked, 12, [5])
    expect(await check(await mailed(5))).toMatchObject([1, { error: { code: 'checkpoint_inconsistent' } }])
    await serve(honest, 4)
    expect(await check(await mailed(5))).toMatchObject([1, { error: { code: 'checkpoint_rolled_back' } }])
    expect(pinnedSize()).toBe(null)
  })

  test('refuses a mail that was changed, one that holds no checkpoint, and a file that is not there', async () => {
    await serve(honest, 12, [5])
    const mail = await mailed(5)
    const forged = mail.replace('\n5\n', '\n6\n')
    expect(await check(forged)).toMatchObject([1, { error: { code: 'signature_invalid' } }])
    expect(await check('Dear owner')).toMatchObject([1, { error: { code: 'note_malformed' } }])
    expect(await run('audit', 'checkpoint', join(dir, 'none'), '--tenant', TENANT, '--trust', vkey)).toMatchObject([
      1,
      { error: { code: 'file_unreadable' } },
    ])
  })
})

async function run(...args: string[]): Promise<[number | null, unknown]> {
  const child = spawn(process.execPath, [BIN, ...args, '--data', dir, '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  return [status, JSON.parse(stdout)]
}
