import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExportVerifier } from '../../domain/audit/export-verifier.ts'
import { chainedRows } from '../../domain/audit/row.fixture.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import { toBase64 } from '../../domain/bytes.ts'
import { AuditProofResponse } from '../../domain/contracts/api.ts'
import { hashLeaf, type MerkleTree } from '../../domain/merkle/tree.ts'
import { parseVkey } from '../../domain/note/keys.ts'
import {
  type Agency,
  codeOf,
  type GatewayStand,
  insertAuditRow,
  startGatewayStand,
} from '../../local/stands/gateway-stand.ts'

/** More than one page of an export. */
const ROWS = 1_203
const SIGNED = 1_200
const MINUTE_MS = 60_000

let stand: GatewayStand
let own: Agency
let other: Agency
let rows: AuditRow[]
let tree: MerkleTree
const viewer = randomUUID()

beforeAll(async () => {
  stand = await startGatewayStand()
  own = await stand.agency('own')
  other = await stand.agency('other')
  await stand.sql`insert into flarewatch.members values (${own.tenant}, ${viewer}, 'viewer')`
  await stand.sql`insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
    values (${randomUUID()}, ${viewer}, 'totp', 'verified', now(), now())`
  rows = chainedRows(own.tenant, ROWS, Date.now() - ROWS * MINUTE_MS, MINUTE_MS)
  for (const row of rows) await insertAuditRow(stand.sql, row)
  tree = await stand.publish(
    own.tenant,
    rows.map(({ hash }) => hash),
    [3, SIGNED],
  )
})
afterAll(() => stand?.stop())

const EXPORT = '/api/audit/export'
const PROOFS = [EXPORT, '/api/audit/rows/1/proof']

describe('an export', () => {
  it('L6: is the log up to its newest receipt, and verifies against the log key alone', async () => {
    const answer = await stand.ask(EXPORT, { user: own.user })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8'])
    expect(answer.headers.get('content-disposition')).toContain(`flarewatch-audit-${own.tenant}-${SIGNED}.ndjson`)
    const report = await verified(await answer.text())
    expect(report).toMatchObject({ ok: true, anchored: true, rows: SIGNED, firstSeq: 1, lastSeq: SIGNED })
    expect(report.head).toEqual(rows[SIGNED - 1]?.hash)
  })

  it('L6: shows by its first row that does not hold what was changed in the store', async () => {
    await tamper(700)
    try {
      const report = await verified(await (await stand.ask(EXPORT, { user: own.user })).text())
      expect(report).toMatchObject({ ok: false, anchored: false, failure: { seq: 700, code: 'hash_mismatch' } })
    } finally {
      await tamper(700)
    }
  })

  it('is refused to a viewer, before a receipt, and with a query', async () => {
    expect(await codeOf(await stand.ask(EXPORT, { user: viewer }))).toEqual([403, 'role_insufficient'])
    expect(await codeOf(await stand.ask(EXPORT, { user: other.user }))).toEqual([409, 'not_signed_yet'])
    expect(await codeOf(await stand.ask(`${EXPORT}?from=1`, { user: own.user }))).toEqual([422, 'query_invalid'])
  })
})

describe('a proof', () => {
  const prove = async (row: string | number, query = '', user: string = viewer) =>
    stand.ask(`/api/audit/rows/${row}/proof${query}`, { user })

  it('L6: places a row, by number or by id, in the newest signed tree or in an older one', async () => {
    for (const seq of [1, 256, 257, SIGNED]) {
      const row = rows[seq - 1]
      const proof = AuditProofResponse.parse(await (await prove(seq)).json())
      expect(proof).toMatchObject({
        seq,
        row_id: row?.rowId,
        size: SIGNED,
        row_hash: toBase64(row?.hash ?? new Uint8Array()),
      })
      expect(proof.leaf_hash).toBe(toBase64(hashLeaf(row?.hash ?? new Uint8Array())))
      expect(proof.proof).toEqual(tree.inclusionProof(seq - 1, SIGNED).map(toBase64))
      expect(await (await prove(row?.rowId ?? '')).json()).toEqual(proof)
    }
    const older = AuditProofResponse.parse(await (await prove(2, '?size=3')).json())
    expect(older.proof).toEqual(tree.inclusionProof(1, 3).map(toBase64))
    expect(older.checkpoint.split('\n')[1]).toBe('3')
  })

  it('is not there for a row that no receipt covers, a size that was not signed, or no row at all', async () => {
    expect(await codeOf(await prove(SIGNED + 1))).toEqual([409, 'not_signed_yet'])
    expect(await codeOf(await prove(4, '?size=3'))).toEqual([404, 'not_found'])
    expect(await codeOf(await prove(1, '?size=4'))).toEqual([404, 'not_found'])
    for (const row of [ROWS + 1, '0', '01', 'x', randomUUID()]) {
      expect(await codeOf(await prove(row)), String(row)).toEqual([404, 'not_found'])
    }
    expect(await codeOf(await prove(1, '?size=0'))).toEqual([422, 'query_invalid'])
  })

  it('T4: is not given for the row of another tenant', async () => {
    expect(await codeOf(await prove(1, '', other.user))).toEqual([404, 'not_found'])
    expect(await codeOf(await prove(rows[0]?.rowId ?? '', '', other.user))).toEqual([404, 'not_found'])
  })
})

describe.each(PROOFS)('%s', (path) => {
  it('A2: needs AAL2', async () => {
    expect(await codeOf(await stand.ask(path, { user: own.user, aal: 'aal1' }))).toEqual([403, 'aal2_required'])
    expect(await codeOf(await stand.ask(path))).toEqual([401, 'unauthenticated'])
  })

  it('T4: is for members, whatever an outsider names', async () => {
    expect(await codeOf(await stand.ask(path, { user: other.user, tenant: own.tenant }))).toEqual([403, 'not_a_member'])
    expect(await codeOf(await stand.ask(path, { user: randomUUID() }))).toEqual([403, 'totp_enrolment_required'])
  })
})

async function verified(text: string) {
  const vkey = parseVkey(stand.vkey)
  if (!vkey.ok) throw new Error(vkey.code)
  const verifier = new ExportVerifier([vkey.value])
  for (const line of text.trimEnd().split('\n')) if (!verifier.feed(line)) break
  return verifier.finish()
}

/** Flips one bit of a row's sealed bytes, as a superuser can; twice is never. */
async function tamper(seq: number): Promise<void> {
  await stand.sql.begin(async (sql) => {
    const [leaf] = await sql<{ name: string }[]>`
      select tableoid::regclass::text as name from flarewatch.audit_log where tenant_id = ${own.tenant} and seq = ${seq}`
    const table = sql(leaf?.name ?? '')
    await sql`alter table ${table} disable trigger user`
    await sql`update ${table} set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)
      where tenant_id = ${own.tenant} and seq = ${seq}`
    await sql`alter table ${table} enable trigger user`
  })
}
