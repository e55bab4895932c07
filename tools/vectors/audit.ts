import { type AuditContent, sealContentWithNonce } from '../../domain/audit/content.ts'
import { encodeExportLine } from '../../domain/audit/export.ts'
import { type AuditRow, epochOf, genesisHash, hashRow, rowHashInput } from '../../domain/audit/row.ts'
import { toHex } from '../../domain/bytes.ts'
import { CREDENTIAL, fixedBytes, fixedUuid, OTHER_TENANT, TENANT } from './fixed.ts'

const AUDIT_KEY = fixedBytes('audit key')
/** The second row is the first of a new month. */
const START = Date.UTC(2026, 10, 30, 23, 59, 59, 999)

const CONTENTS: readonly AuditContent[] = [
  { actor: `user:${fixedUuid('user')}`, action: 'tenant.create', target: `tenant:${TENANT}`, detail: {} },
  {
    actor: 'connector',
    action: 'credential.open',
    target: `credential:${CREDENTIAL}`,
    detail: { job: fixedUuid('job') },
  },
  {
    actor: 'connector',
    action: 'act.outcome',
    target: `credential:${CREDENTIAL}`,
    detail: { note: 'Zürich ☂ '.repeat(30) },
  },
  { actor: 'verifier', action: '', target: '"\\\u0000', detail: { '': '' } },
]

export async function chainedRows(): Promise<AuditRow[]> {
  const rows: AuditRow[] = []
  for (const [i, content] of CONTENTS.entries()) {
    const at = START + i
    const input = {
      auditKey: AUDIT_KEY,
      keyVersion: i < 2 ? 1 : 2,
      tenantId: TENANT,
      rowId: fixedUuid(`row ${i}`),
      content,
    }
    const sealed = await sealContentWithNonce(input, fixedBytes(`content nonce ${i}`, 12))
    const previousHash = rows.at(-1)?.hash ?? genesisHash(TENANT)
    rows.push(rehash({ ...sealed, epoch: epochOf(at), seq: i + 1, at, previousHash }))
  }
  return rows
}

function rehash(row: Omit<AuditRow, 'hash'>): AuditRow {
  return { ...row, hash: hashRow(row) }
}

export async function auditVectors() {
  const rows = await chainedRows()
  return {
    comment: 'Bytes are hex; rows of chains are those of the export file. See docs/formats.md.',
    genesis: [TENANT, OTHER_TENANT].map((id) => ({ tenant_id: id, hash: toHex(genesisHash(id)) })),
    contents: CONTENTS.map((content, i) => contentVector(content, i, rows[i])),
    row_hashes: rows.map((row) => ({
      tenant_id: row.tenantId,
      epoch: row.epoch,
      seq: row.seq,
      row_id: row.rowId,
      at: row.at,
      key_version: row.keyVersion,
      previous_hash: toHex(row.previousHash),
      actor_tag: toHex(row.actorTag),
      action_tag: toHex(row.actionTag),
      target_tag: toHex(row.targetTag),
      sealed: toHex(row.sealed),
      input: toHex(rowHashInput(row)),
      hash: toHex(row.hash),
    })),
    chains: chainVectors(rows),
  }
}

function contentVector(content: AuditContent, index: number, row: AuditRow | undefined) {
  if (row === undefined) throw new Error('no row for this content')
  return {
    audit_key: toHex(AUDIT_KEY),
    key_version: row.keyVersion,
    tenant_id: row.tenantId,
    row_id: row.rowId,
    nonce: toHex(fixedBytes(`content nonce ${index}`, 12)),
    content,
    sealed: toHex(row.sealed),
    actor_tag: toHex(row.actorTag),
    action_tag: toHex(row.actionTag),
    target_tag: toHex(row.targetTag),
  }
}

function chainVectors(rows: readonly AuditRow[]) {
  const [first, second, third, fourth] = rows
  if (first === undefined || second === undefined || third === undefined || fourth === undefined)
    throw new Error('four rows')
  const sealed = third.sealed.with(-1, (third.sealed.at(-1) ?? 0) ^ 1)
  const edited = rehash({ ...third, sealed })
  const chain = (name: string, given: readonly AuditRow[], failure: { seq: number; code: string } | null) => ({
    name,
    tenant_id: TENANT,
    rows: given.map((row) => JSON.parse(encodeExportLine({ kind: 'row', row }))),
    failure,
  })
  return [
    chain('sound, over two months', rows, null),
    chain('empty', [], null),
    chain('first row missing', [second, third], { seq: 1, code: 'sequence_gap' }),
    chain('a row deleted', [first, third, fourth], { seq: 2, code: 'sequence_gap' }),
    chain('two rows swapped', [first, third, second, fourth], { seq: 2, code: 'sequence_gap' }),
    chain('a row edited', [first, second, { ...third, sealed }, fourth], { seq: 3, code: 'hash_mismatch' }),
    chain('a row edited, its hash recomputed', [first, second, edited, fourth], {
      seq: 4,
      code: 'previous_hash_mismatch',
    }),
    chain('a hole numbered over', [first, rehash({ ...third, seq: 2 })], { seq: 2, code: 'previous_hash_mismatch' }),
    chain('the wrong month', [rehash({ ...first, epoch: 202612 })], { seq: 1, code: 'epoch_mismatch' }),
    chain('time running back', [first, rehash({ ...second, at: first.at - 1, epoch: 202611 })], {
      seq: 2,
      code: 'time_reversed',
    }),
  ]
}
