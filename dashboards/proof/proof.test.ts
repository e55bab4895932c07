import { beforeAll, describe, expect, test } from 'vitest'
import { toBase64, toBase64Url } from '../../domain/bytes.ts'
import { MerkleTree } from '../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../../domain/note/checkpoint.ts'
import { formatVkey, generateSigner, type NoteSigner, signNote } from '../../domain/note/signed-note.ts'
import { failed } from '../data/wire.ts'
import { inclusionFault } from './inclusion.ts'
import { checkNewest, checkReceipt, type Fetch } from './log-check.ts'
import { openReceipt } from './receipt.ts'

const LOG = '0b8f9c1e-1111-4222-8333-444455556666'
const OTHER_LOG = '0b8f9c1e-1111-4222-8333-777788889999'
const NAME = 'log.example'
const hashOf = (row: number, salt = 0) => new Uint8Array(32).fill(row).fill(salt, 0, 1)

/** A log as a server gives it out: rows, and receipts over the sizes that were signed. */
class ServedLog {
  readonly tree = new MerkleTree()
  readonly notes = new Map<number, string>()
  signer: NoteSigner
  keys: string

  constructor(signer: NoteSigner) {
    this.signer = signer
    this.keys = `${formatVkey(signer)}\n`
  }

  async signAt(size: number, { log = LOG, salt = 0 } = {}): Promise<string> {
    for (let row = this.tree.size + 1; row <= size; row += 1) this.tree.append(hashOf(row, salt))
    const checkpoint = { origin: originOf(NAME, log), size, root: this.tree.root(size), chainHead: hashOf(size, salt) }
    const note = await signNote(formatCheckpoint({ ...checkpoint, at: Date.UTC(2026, 10, 24) }), [this.signer])
    this.notes.set(size, note)
    return note
  }

  readonly fetch: Fetch = async (path) => {
    if (path === '/.well-known/log-keys.txt') return { ok: true, value: this.keys }
    const [from, to] = path.slice(`/receipts/${LOG}`.length).split('/').filter(Boolean).map(Number)
    const newest = [...this.notes.values()].at(-1)
    if (from === undefined) return newest === undefined ? failed('not_found') : { ok: true, value: newest }
    if (to === undefined || !this.notes.has(from) || !this.notes.has(to)) return failed('not_found')
    return {
      ok: true,
      value: this.tree
        .consistencyProof(from, to)
        .map((hash) => `${toBase64(hash)}\n`)
        .join(''),
    }
  }
}

function emptyStore() {
  const kept = new Map<string, string>()
  return {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
  }
}

let signer: NoteSigner
beforeAll(async () => {
  signer = await generateSigner(NAME)
})

describe('the receipts that a browser has seen', () => {
  test('L2 a log without a receipt is unsigned; its first receipt is kept, and the next one has to extend it', async () => {
    const server = new ServedLog(signer)
    const tools = { fetch: server.fetch, store: emptyStore() }
    expect(await checkNewest(LOG, tools)).toEqual({ ok: true, value: { state: 'unsigned' } })
    await server.signAt(5)
    expect(await checkNewest(LOG, tools)).toMatchObject({ value: { state: 'sound', before: null } })
    await server.signAt(12)
    const next = await checkNewest(LOG, tools)
    expect(next).toMatchObject({ value: { state: 'sound', receipt: { size: 12 }, before: { size: 5 } } })
  })

  test('L2 a rewritten log is a fork, whatever its size, and the receipt seen before stays the one to extend', async () => {
    for (const size of [5, 9]) {
      const honest = new ServedLog(signer)
      const store = emptyStore()
      await honest.signAt(5)
      await checkNewest(LOG, { fetch: honest.fetch, store })
      const rewritten = new ServedLog(signer)
      if (size !== 5) await rewritten.signAt(5, { salt: 7 })
      await rewritten.signAt(size, { salt: 7 })
      const verdict = await checkNewest(LOG, { fetch: rewritten.fetch, store })
      expect(verdict).toMatchObject({ value: { state: 'broken', breach: 'forked', before: { size: 5 } } })
      await honest.signAt(6)
      expect(await checkNewest(LOG, { fetch: honest.fetch, store })).toMatchObject({ value: { state: 'sound' } })
    }
  })

  test('L2 a log that was cut back is noticed: the receipt seen before has vanished', async () => {
    const store = emptyStore()
    const honest = new ServedLog(signer)
    await honest.signAt(9)
    await checkNewest(LOG, { fetch: honest.fetch, store })
    const emptied = new ServedLog(signer)
    expect(await checkNewest(LOG, { fetch: emptied.fetch, store })).toMatchObject({ value: { breach: 'vanished' } })
    await emptied.signAt(4, { salt: 7 })
    expect(await checkNewest(LOG, { fetch: emptied.fetch, store })).toMatchObject({ value: { state: 'broken' } })
  })

  test('L2 an older receipt of the same log, from a cache, is no alarm and does not replace the newer one', async () => {
    const store = emptyStore()
    const server = new ServedLog(signer)
    const old = await server.signAt(4)
    await server.signAt(9)
    await checkNewest(LOG, { fetch: server.fetch, store })
    expect(await checkReceipt(LOG, old, { fetch: server.fetch, store })).toMatchObject({ value: { state: 'sound' } })
    await server.signAt(11)
    expect(await checkNewest(LOG, { fetch: server.fetch, store })).toMatchObject({ value: { before: { size: 9 } } })
  })

  test('L4 another key is an alarm, unless it was published beside the old one first', async () => {
    const store = emptyStore()
    const server = new ServedLog(signer)
    await server.signAt(4)
    await checkNewest(LOG, { fetch: server.fetch, store })
    const [old, fresh] = [server.keys, await generateSigner(NAME)]
    server.signer = fresh
    server.keys = `${formatVkey(fresh)}\n`
    await server.signAt(6)
    expect(await checkNewest(LOG, { fetch: server.fetch, store })).toMatchObject({ value: { breach: 'key_changed' } })

    server.signer = signer
    server.keys = `${old}${formatVkey(fresh)}\n`
    await server.signAt(7)
    expect(await checkNewest(LOG, { fetch: server.fetch, store })).toMatchObject({ value: { state: 'sound' } })
    server.signer = fresh
    await server.signAt(8)
    expect(await checkNewest(LOG, { fetch: server.fetch, store })).toMatchObject({ value: { state: 'sound' } })
  })

  test('L4 a receipt with a changed byte, of another log, or with no key to check it by is refused', async () => {
    const server = new ServedLog(signer)
    const tools = { fetch: server.fetch, store: emptyStore() }
    const note = await server.signAt(4)
    const breachOf = async (changed: string) => {
      const answer = await checkReceipt(LOG, changed, tools)
      return answer.ok && answer.value.state === 'broken' ? answer.value.breach : null
    }
    expect(await breachOf(note.replace('\n4\n', '\n5\n'))).toBe('signature_invalid')
    expect(await breachOf('no note')).toBe('receipt_malformed')
    expect(await breachOf(await server.signAt(4, { log: OTHER_LOG }))).toBe('other_log')
    server.keys = 'not a key\n'
    expect(await breachOf(note)).toBe('keys_malformed')
  })
})

describe('that a row is in the log', () => {
  test('L2 is recomputed from the row’s own hash up to the signed root, and any change is told', async () => {
    const server = new ServedLog(signer)
    const opened = await openReceipt(await server.signAt(11), [signer], LOG)
    if (!opened.ok) throw new Error(opened.code)
    const receipt = opened.value
    for (let seq = 1; seq <= 11; seq += 1) {
      const row = { seq, hash: toBase64Url(hashOf(seq)) }
      const hashes = server.tree.inclusionProof(seq - 1, 11).map(toBase64)
      const proof = { seq, row_hash: toBase64(hashOf(seq)), size: 11, proof: hashes }
      expect(inclusionFault(row, proof, receipt)).toBeNull()
      expect(inclusionFault({ ...row, hash: toBase64Url(hashOf(99)) }, proof, receipt)).toBe('other_row')
      expect(inclusionFault(row, { ...proof, size: 12 }, receipt)).toBe('size_mismatch')
      expect(inclusionFault(row, { ...proof, proof: ['?'] }, receipt)).toBe('proof_malformed')
      expect(inclusionFault(row, { ...proof, proof: hashes.slice(1) }, receipt)).toBe('root_mismatch')
      const moved = { ...row, seq: (seq % 11) + 1 }
      expect(inclusionFault(moved, { ...proof, seq: moved.seq }, receipt)).toBe('root_mismatch')
    }
  })
})
