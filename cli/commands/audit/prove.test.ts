import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { chainedRows } from '../../../domain/audit/row.fixture.ts'
import { toBase64 } from '../../../domain/bytes.ts'
import { MerkleTree } from '../../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../../../domain/note/checkpoint.ts'
import { formatVkey, generateSigner, signNote } from '../../../domain/note/signed-note.ts'

const BIN = join(import.meta.dirname, '..', '..', 'flarewatch.mjs')
const TENANT = '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11'
const signer = await generateSigner('flarewatch.test/log')
const vkey = formatVkey(signer)
const stranger = await generateSigner(signer.name)

/** A server that keeps a log, and lies where a test says so. */
class Log {
  readonly rows = chainedRows(TENANT, 12)
  readonly tree = new MerkleTree()
  constructor() {
    for (const { hash } of this.rows) this.tree.append(hash)
  }

  async note(size: number, by = signer): Promise<string> {
    const [root, chainHead] = [this.tree.root(size), this.rows[size - 1]?.hash ?? new Uint8Array(32)]
    return signNote(formatCheckpoint({ origin: originOf(by.name, TENANT), size, root, chainHead, at: 0 }), [by])
  }

  async proof(seq: number, size: number) {
    const row = this.rows[seq - 1]
    return {
      seq,
      row_id: row?.rowId ?? '',
      row_hash: toBase64(row?.hash ?? new Uint8Array()),
      leaf_hash: '',
      size,
      proof: this.tree.inclusionProof(seq - 1, size).map(toBase64),
      checkpoint: await this.note(size),
      pruned: null,
    }
  }
}

const honest = new Log()
const rewritten = new Log()
let served: Record<string, unknown>
let server: Server
let url = ''
let dir: string

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = served[request.url ?? '']
    response.statusCode = answer === undefined ? 404 : 200
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? {}))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
})
afterAll(() => server.close())

beforeEach(() => {
  served = {}
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-prove-'))
  mkdirSync(join(dir, 'secrets'))
  const session = {
    gateway_url: url,
    supabase_url: url,
    publishable_key: 'k',
    email: 'e',
    access_token: 'a',
    refresh_token: 'r',
  }
  writeFileSync(join(dir, 'secrets', 'session.json'), JSON.stringify({ ...session, expires_at: Date.now() }))
  return () => rmSync(dir, { recursive: true })
})

describe('L6: audit prove', () => {
  test('accepts a row of the signed log, remembers the checkpoint, and demands that the log only grows', async () => {
    serveProof(3, await honest.proof(3, 5))
    expect(await prove('3', '--trust', vkey)).toMatchObject([
      0,
      { ok: true, seq: 3, size: 5, anchored: true, previous_size: null },
    ])
    const pin = join(dir, 'pins', `${TENANT}.json`)
    expect([statSync(pin).mode & 0o777, JSON.parse(readFileSync(pin, 'utf8')).vkey]).toEqual([0o600, vkey])

    serveProof(8, await honest.proof(8, 12))
    serveConsistency(honest, 5, 12)
    // The key that was trusted is remembered with the checkpoint.
    expect(await prove('8')).toMatchObject([0, { seq: 8, size: 12, anchored: true, previous_size: 5 }])
    expect(await prove('8')).toMatchObject([0, { previous_size: 12 }])
  })

  test('L2: refuses a log that was rewritten, cut back, or cannot be shown to have grown', async () => {
    serveProof(3, await honest.proof(3, 5))
    await prove('3', '--trust', vkey)
    serveProof(3, await rewritten.proof(3, 12))
    serveConsistency(rewritten, 5, 12)
    expect(await prove('3')).toMatchObject([1, { error: { code: 'checkpoint_inconsistent' } }])
    serveProof(3, await rewritten.proof(3, 5))
    expect(await prove('3')).toMatchObject([1, { error: { code: 'checkpoint_inconsistent' } }])
    serveProof(3, await honest.proof(3, 4))
    expect(await prove('3')).toMatchObject([1, { error: { code: 'checkpoint_rolled_back' } }])
    served = {}
    serveProof(3, await honest.proof(3, 12))
    expect(await prove('3')).toMatchObject([1, { ok: false }])
  })

  test('L2: takes an older size that is asked for by name, and keeps the newer one in mind', async () => {
    serveProof(3, await honest.proof(3, 12))
    await prove('3', '--trust', vkey)
    served[`/api/audit/rows/3/proof?size=5`] = await honest.proof(3, 5)
    serveConsistency(honest, 5, 12)
    expect(await prove('3', '--size', '5')).toMatchObject([0, { size: 5, previous_size: 12 }])
    expect(await prove('3')).toMatchObject([0, { size: 12, previous_size: 12 }])
  })

  test('refuses what the signed tree does not hold, whatever the answer says beside it', async () => {
    const good = await honest.proof(3, 5)
    const other = await honest.proof(2, 5)
    for (const [lie, code] of [
      [{ ...good, row_hash: other.row_hash }, 'not_included'],
      [{ ...good, proof: other.proof }, 'not_included'],
      [{ ...good, proof: [...good.proof, 'x'] }, 'not_included'],
      [{ ...good, size: 12, checkpoint: await rewritten.note(5) }, 'not_included'],
      [other, 'row_mismatch'],
      [{ ...good, checkpoint: await honest.note(5, stranger) }, 'signature_missing'],
      [{ ...good, checkpoint: good.checkpoint.replace('time 1970', 'time 1971') }, 'signature_invalid'],
    ] as const) {
      serveProof(3, lie)
      expect(await prove('3', '--trust', vkey)).toMatchObject([1, { ok: false, error: { code } }])
    }
  })

  test('without a trusted key says that nobody vouches, and remembers nothing', async () => {
    const proof = await honest.proof(3, 5)
    served[`/api/audit/rows/${proof.row_id}/proof`] = proof
    expect(await prove(proof.row_id)).toMatchObject([3, { ok: true, anchored: false, previous_size: null }])
    expect(await prove(proof.row_id, '--trust', vkey)).toMatchObject([0, { previous_size: null }])
  })

  test('a pin that was damaged is not passed over, and a row that is none is a usage error', async () => {
    mkdirSync(join(dir, 'pins'))
    writeFileSync(join(dir, 'pins', `${TENANT}.json`), '{}')
    serveProof(3, await honest.proof(3, 5))
    expect(await prove('3', '--trust', vkey)).toMatchObject([1, { error: { code: 'pin_unreadable' } }])
    expect(await prove('../3')).toMatchObject([2, { error: { code: 'usage' } }])
  })

  test('a session that has ended says how to begin one', async () => {
    rmSync(join(dir, 'secrets', 'session.json'))
    expect(await prove('3')).toMatchObject([1, { error: { code: 'not_signed_in' } }])
  })
})

function serveProof(seq: number, proof: object): void {
  served[`/api/audit/rows/${seq}/proof`] = proof
}

function serveConsistency({ tree }: Log, from: number, to: number): void {
  served[`/receipts/${TENANT}/${from}/${to}`] = tree
    .consistencyProof(from, to)
    .map((hash) => `${toBase64(hash)}\n`)
    .join('')
}

async function prove(row: string, ...more: string[]): Promise<[number | null, unknown]> {
  const args = [BIN, 'audit', 'prove', row, '--tenant', TENANT, '--data', dir, '--json', ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  return [status, JSON.parse(stdout)]
}
