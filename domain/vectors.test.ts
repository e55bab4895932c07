import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import audit from '../conformance/vectors/audit.json' with { type: 'json' }
import certificate from '../conformance/vectors/certificate.json' with { type: 'json' }
import checkpoint from '../conformance/vectors/checkpoint.json' with { type: 'json' }
import envelope from '../conformance/vectors/envelope.json' with { type: 'json' }
import exports from '../conformance/vectors/export.json' with { type: 'json' }
import merkle from '../conformance/vectors/merkle.json' with { type: 'json' }
import { ChainVerifier } from './audit/chain.ts'
import { openContent, sealContentWithNonce, tagOf } from './audit/content.ts'
import { parseExportLine } from './audit/export.ts'
import { ExportVerifier } from './audit/export-verifier.ts'
import { genesisHash, hashRow, rowHashInput } from './audit/row.ts'
import { toBase64, toHex } from './bytes.ts'
import { aadOf } from './envelope/aad.ts'
import { isDemoKek, kekCheckValue } from './envelope/kek.ts'
import { deriveSubkey, openRecord, sealRecordWithNonce } from './envelope/record.ts'
import { unwrapKey, type WrapContext, wrapKeyWithNonce } from './envelope/wrap.ts'
import { MerkleFrontier } from './merkle/frontier.ts'
import { hashLeaf, MerkleTree, verifyConsistency, verifyInclusion } from './merkle/tree.ts'
import { formatCheckpoint, parseCheckpoint } from './note/checkpoint.ts'
import { formatEpochCertificate, hashCertificateText, parseEpochCertificate } from './note/epoch-certificate.ts'
import { formatSignerKey, formatVkey, openNote, parseSignerKey, parseVkey } from './note/signed-note.ts'

/** `conformance/vectors/*.json`: formats are final, so these never change for what is already stored. */
function bytes(hex: string | undefined): Uint8Array {
  return Uint8Array.from(hex?.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

const Purpose = z.enum(['tenant-dek', 'credential-dek', 'audit-key', 'credential', 'audit-row', 'audit-tag'])
const Content = z.object({
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.string()),
})

describe('vectors of the envelope (V1, V2, V3)', () => {
  it.each(envelope.kek_checks)('check value of KEK version $kek_version', async ({ kek_version, kek, check_value }) => {
    expect(toHex(await kekCheckValue({ version: kek_version, bytes: bytes(kek) }))).toBe(check_value)
  })

  it('demo KEKs (S2)', () => {
    for (const { kek, demo } of envelope.demo_keks) expect(isDemoKek(bytes(kek))).toBe(demo)
  })

  it.each(envelope.aad)('AAD of $purpose', (vector) => {
    const versions = { keyVersion: vector.key_version, ...(vector.kek_version && { kekVersion: vector.kek_version }) }
    const purpose = Purpose.parse(vector.purpose)
    const aad = aadOf({ purpose, tenantId: vector.tenant_id, subjectId: vector.subject_id, ...versions })
    expect(toHex(aad)).toBe(vector.aad)
  })

  it.each(envelope.wraps)('wrap of $purpose, version $key_version', async (vector) => {
    const context = wrapContext(vector)
    const parts = {
      kek: { version: vector.kek_version, bytes: bytes(vector.kek) },
      share: bytes(vector.share),
      context,
    }
    const wrapped = bytes(vector.wrapped)
    expect(await wrapKeyWithNonce({ ...parts, key: bytes(vector.key) }, bytes(vector.nonce))).toEqual(wrapped)
    expect(await unwrapKey({ ...parts, wrapped })).toEqual({ ok: true, value: bytes(vector.key) })
  })

  it.each(envelope.records)('record under DEK version $dek_version', async (vector) => {
    const context = recordContext(vector)
    const [subkey, plaintext, sealed] = [bytes(vector.subkey), bytes(vector.plaintext), bytes(vector.sealed)]
    expect(await deriveSubkey({ dek: bytes(vector.dek), salt: bytes(vector.salt), context })).toEqual(subkey)
    expect(await sealRecordWithNonce({ subkey, context, plaintext }, bytes(vector.nonce))).toEqual(sealed)
    expect(await openRecord({ subkey, context, sealed })).toEqual({ ok: true, value: plaintext })
  })

  it.each(envelope.refused_records)('no record: $why', async (vector) => {
    const opened = await openRecord({
      subkey: bytes(vector.subkey),
      context: recordContext(vector),
      sealed: bytes(vector.sealed),
    })
    expect(opened).toEqual({ ok: false, code: 'not_openable' })
  })
})

function wrapContext(vector: (typeof envelope.wraps)[number]): WrapContext {
  const { tenant_id: tenantId, credential_id: credentialId, key_version: keyVersion } = vector
  if (credentialId !== null) return { purpose: 'credential-dek', tenantId, credentialId, keyVersion }
  return { purpose: vector.purpose === 'audit-key' ? 'audit-key' : 'tenant-dek', tenantId, keyVersion }
}

function recordContext(vector: { tenant_id: string; credential_id: string; dek_version: number }) {
  return { tenantId: vector.tenant_id, credentialId: vector.credential_id, dekVersion: vector.dek_version }
}

describe('vectors of the audit log (L2, T3)', () => {
  it.each(audit.genesis)('genesis of $tenant_id', ({ tenant_id, hash }) => {
    expect(toHex(genesisHash(tenant_id))).toBe(hash)
  })

  it.each(audit.contents)('sealed content and tags of $row_id', async (vector) => {
    const content = Content.parse(vector.content)
    const { tenant_id: tenantId, row_id: rowId, key_version: keyVersion } = vector
    const key = { auditKey: bytes(vector.audit_key), keyVersion, tenantId }
    const row = await sealContentWithNonce({ ...key, rowId, content }, bytes(vector.nonce))
    expect(toHex(row.sealed)).toBe(vector.sealed)
    expect(toHex(row.actorTag)).toBe(vector.actor_tag)
    expect(toHex(row.targetTag)).toBe(vector.target_tag)
    expect(toHex(await tagOf({ ...key, field: 'action', value: content.action }))).toBe(vector.action_tag)
    expect(await openContent({ auditKey: key.auditKey, row })).toEqual({ ok: true, value: content })
  })

  it.each(audit.row_hashes)('hash of row $seq', (vector) => {
    const row = {
      tenantId: vector.tenant_id,
      epoch: vector.epoch,
      seq: vector.seq,
      rowId: vector.row_id,
      at: vector.at,
      keyVersion: vector.key_version,
      previousHash: bytes(vector.previous_hash),
      actorTag: bytes(vector.actor_tag),
      actionTag: bytes(vector.action_tag),
      targetTag: bytes(vector.target_tag),
      sealed: bytes(vector.sealed),
    }
    expect(toHex(rowHashInput(row))).toBe(vector.input)
    expect(toHex(hashRow(row))).toBe(vector.hash)
  })

  it.each(audit.chains)('chain: $name', ({ tenant_id, rows, failure }) => {
    const verifier = new ChainVerifier(tenant_id)
    for (const fields of rows) {
      const line = parseExportLine(JSON.stringify(fields))
      if (!line.ok || line.value.kind !== 'row') throw new Error('not a row')
      verifier.feed({ ...line.value.row, tenantId: tenant_id })
    }
    expect(verifier.failure).toEqual(failure)
  })
})

describe('vectors of the Merkle tree (L4)', () => {
  const tree = new MerkleTree()
  for (const leaf of merkle.leaves) tree.append(bytes(leaf))

  it('roots and frontiers', () => {
    for (const [size, root] of merkle.roots.entries()) {
      expect(toHex(tree.root(size))).toBe(root)
      const frontier = MerkleFrontier.resume(size, merkle.frontiers[size]?.map(bytes) ?? [])
      expect(frontier && toHex(frontier.root())).toBe(root)
    }
  })

  it('inclusion proofs', () => {
    for (const { index, size, proof } of merkle.inclusion) {
      expect(tree.inclusionProof(index, size).map(toHex)).toEqual(proof)
      const leafHash = hashLeaf(bytes(merkle.leaves[index]))
      const root = bytes(merkle.roots[size])
      expect(verifyInclusion({ index, size, leafHash, root, proof: proof.map(bytes) })).toBe(true)
    }
  })

  it('consistency proofs', () => {
    for (const { from, to, proof } of merkle.consistency) {
      expect(tree.consistencyProof(from, to).map(toHex)).toEqual(proof)
      const [fromRoot, toRoot] = [bytes(merkle.roots[from]), bytes(merkle.roots[to])]
      expect(verifyConsistency({ from, to, fromRoot, toRoot, proof: proof.map(bytes) })).toBe(true)
    }
  })
})

describe('vectors of checkpoints (L4)', () => {
  it('keys', async () => {
    const signer = await parseSignerKey(checkpoint.signer_key)
    if (!signer.ok) throw new Error(signer.code)
    expect(formatSignerKey(signer.value)).toBe(checkpoint.signer_key)
    expect(formatVkey(signer.value)).toBe(checkpoint.vkey)
  })

  it('text', () => {
    const parsed = parseCheckpoint(checkpoint.text)
    if (!parsed.ok) throw new Error(parsed.code)
    const { root, chainHead, ...rest } = parsed.value
    const fields = { ...rest, root: toBase64(root), chain_head: toBase64(chainHead) }
    expect(fields).toEqual(checkpoint.checkpoint)
    expect(formatCheckpoint(parsed.value)).toBe(checkpoint.text)
  })

  it.each(checkpoint.notes)('note: $name', async ({ note, code }) => {
    const verifier = parseVkey(checkpoint.vkey)
    if (!verifier.ok) throw new Error(verifier.code)
    const opened = await openNote(note, [verifier.value])
    const outcome = opened.ok ? parseCheckpoint(opened.value.text) : opened
    expect(outcome.ok ? null : outcome.code).toBe(code)
  })
})

describe('vectors of epoch certificates (L5)', () => {
  it.each(certificate.certificates)('text of epoch $epoch', ({ text, text_hash, ...fields }) => {
    const parsed = parseEpochCertificate(text)
    if (!parsed.ok) throw new Error(parsed.code)
    const { firstSeq, lastSeq, lastHash, lastAt, root, frontier, receipts, previous, ...same } = parsed.value
    expect({
      ...same,
      first_seq: firstSeq,
      last_seq: lastSeq,
      last_hash: toBase64(lastHash),
      last_at: lastAt,
      root: toBase64(root),
      frontier: frontier.map(toBase64),
      receipts: { count: receipts.count, digest: toBase64(receipts.digest) },
      previous: previous === null ? null : toBase64(previous),
    }).toEqual(fields)
    expect(formatEpochCertificate(parsed.value)).toBe(text)
    expect(toBase64(hashCertificateText(text))).toBe(text_hash)
  })

  it('each names the one before it', () => {
    const [first, second] = certificate.certificates
    expect([first?.previous, second?.previous]).toEqual([null, first?.text_hash])
  })

  it.each(certificate.notes)('note: $name', async ({ note, code }) => {
    const verifier = parseVkey(certificate.vkey)
    if (!verifier.ok) throw new Error(verifier.code)
    const opened = await openNote(note, [verifier.value])
    const outcome = opened.ok ? parseEpochCertificate(opened.value.text) : opened
    expect(outcome.ok ? null : outcome.code).toBe(code)
  })
})

describe('vectors of the export file (L6)', () => {
  it.each(exports.files)('$name', async ({ lines, trusted, report }) => {
    const key = trusted === null ? null : parseVkey(trusted)
    const verifier = new ExportVerifier(key?.ok ? [key.value] : [])
    for (const line of lines) if (!verifier.feed(line)) break
    const { firstSeq, lastSeq, head, certificate, ...rest } = await verifier.finish()
    const hash = head === null ? null : toBase64(head)
    const pruned = certificate === null ? null : { epoch: certificate.epoch, last_seq: certificate.lastSeq }
    expect({ ...rest, first_seq: firstSeq, last_seq: lastSeq, head: hash, certificate: pruned }).toEqual(report)
  })
})
