import { beforeEach, expect, test } from 'vitest'
import { toBase64 } from '../../domain/bytes.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import { MerkleTree } from '../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../../domain/note/checkpoint.ts'
import {
  closeReceipts,
  type EpochCertificate,
  epochOriginOf,
  formatEpochCertificate,
} from '../../domain/note/epoch-certificate.ts'
import { formatVkey, generateSigner, type NoteSigner, signNote } from '../../domain/note/signed-note.ts'
import { failed } from '../data/wire.ts'
import { checkPruning } from './certificate.ts'
import { checkNewest, type Tools } from './log-check.ts'

const LOG = '0b8f9c1e-1111-4222-8333-444455556666'
const NAME = 'log.example'
const EPOCH = 202510
const [THROUGH, SIZE] = [6, 11]
const leaf = (row: number) => new Uint8Array(32).fill(row)
const PRUNED = { through_seq: THROUGH, epoch: EPOCH, url: '' }

let signer: NoteSigner
let tools: Tools
let served: Map<string, string>

/** A log of eleven rows of which the first six were pruned, as it is given out. */
beforeEach(async () => {
  signer = await generateSigner(NAME)
  const tree = new MerkleTree()
  for (let row = 1; row <= SIZE; row += 1) tree.append(leaf(row))
  const checkpoint = { origin: originOf(NAME, LOG), size: SIZE, root: tree.root(), chainHead: leaf(SIZE), at: 0 }
  served = new Map([
    ['/.well-known/log-keys.txt', `${formatVkey(signer)}\n`],
    [`/receipts/${LOG}`, await signNote(formatCheckpoint(checkpoint), [signer])],
    [`/receipts/${LOG}/epochs/${EPOCH}`, await certificate({}, signer)],
    [`/receipts/${LOG}/${THROUGH}/${SIZE}`, linesOf(tree.consistencyProof(THROUGH))],
  ])
  const kept = new Map<string, string>()
  tools = {
    fetch: async (path) => {
      const text = served.get(path)
      return text === undefined ? failed('not_found') : { ok: true, value: text }
    },
    store: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) },
  }
})

function linesOf(hashes: readonly Uint8Array[]): string {
  return hashes.map((hash) => `${toBase64(hash)}\n`).join('')
}

async function certificate(changed: Partial<EpochCertificate>, by: NoteSigner, salt = 0): Promise<string> {
  const tree = new MerkleFrontier()
  for (let row = 1; row <= THROUGH; row += 1) tree.append(leaf(row + salt))
  const text = formatEpochCertificate({
    origin: epochOriginOf(NAME, LOG, EPOCH),
    epoch: EPOCH,
    firstSeq: 1,
    lastSeq: THROUGH,
    lastHash: leaf(THROUGH + salt),
    lastAt: Date.UTC(2025, 9, 30),
    root: tree.root(),
    frontier: tree.hashes,
    receipts: closeReceipts([]),
    previous: null,
    at: Date.UTC(2026, 10, 1),
    ...changed,
  })
  return signNote(text, [by])
}

test('L5 rows that are gone are pruned, where a signed certificate says so and the log goes on from it', async () => {
  await checkNewest(LOG, tools)
  expect(await checkPruning(LOG, PRUNED, tools)).toEqual({ ok: true, value: 'certified' })
})

test('L5 without a receipt that was accepted there is nothing to hold a certificate against', async () => {
  expect(await checkPruning(LOG, PRUNED, tools)).toEqual({ ok: true, value: 'unchecked' })
})

const lies: readonly [string, () => Promise<void> | void][] = [
  ['there is none', () => void served.delete(`/receipts/${LOG}/epochs/${EPOCH}`)],
  [
    'another key has signed it',
    async () => void served.set(`/receipts/${LOG}/epochs/${EPOCH}`, await certificate({}, await generateSigner(NAME))),
  ],
  [
    'it is of another log',
    async () => {
      const origin = epochOriginOf(NAME, LOG.replace('1111', '2222'), EPOCH)
      served.set(`/receipts/${LOG}/epochs/${EPOCH}`, await certificate({ origin }, signer))
    },
  ],
  [
    'it is of other rows',
    async () => void served.set(`/receipts/${LOG}/epochs/${EPOCH}`, await certificate({}, signer, 1)),
  ],
  ['it is a receipt', () => void served.set(`/receipts/${LOG}/epochs/${EPOCH}`, served.get(`/receipts/${LOG}`) ?? '')],
  ['no proof leads from it to the receipt', () => void served.delete(`/receipts/${LOG}/${THROUGH}/${SIZE}`)],
]
test.each(lies)('L5 rows are not certified when %s', async (_, lie) => {
  await checkNewest(LOG, tools)
  await lie()
  expect(await checkPruning(LOG, PRUNED, tools)).toEqual({ ok: true, value: 'not_certified' })
})

test('L5 a certificate that ends elsewhere than the log begins does not certify it', async () => {
  await checkNewest(LOG, tools)
  expect(await checkPruning(LOG, { ...PRUNED, through_seq: THROUGH + 1 }, tools)).toEqual({
    ok: true,
    value: 'not_certified',
  })
})
