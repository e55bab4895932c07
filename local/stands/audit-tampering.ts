import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { type AuditRow, hashRow } from '../../domain/audit/row.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'

type Superuser = postgres.Sql
export type TamperedChain = { readonly tenantId: TenantId; readonly rows: readonly AuditRow[] }
export type Tampering = readonly [
  what: string,
  expected: { kind: string; seq: number | null },
  tamper: (superuser: Superuser, tenant: TamperedChain) => Promise<unknown>,
]

/** What a superuser can do to six rows of which all were flushed, and the first four covered by a receipt. */
export const TAMPERINGS: readonly Tampering[] = [
  [
    'edits sealed content',
    { kind: 'row_edited', seq: 3 },
    (superuser, { tenantId }) =>
      superuser`update flarewatch.audit_log set sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20)) where tenant_id = ${tenantId} and seq = 3`,
  ],
  [
    'edits a row and makes its own hash fit',
    { kind: 'row_edited', seq: 5 },
    (superuser, { tenantId }) => rehash(superuser, tenantId, 5, 5),
  ],
  [
    'edits a row and recomputes every hash after it',
    { kind: 'fork', seq: 2 },
    (superuser, { tenantId }) => rehash(superuser, tenantId, 2, 6),
  ],
  [
    'rewrites the last row and its hash',
    { kind: 'fork', seq: 6 },
    (superuser, { tenantId }) => rehash(superuser, tenantId, 6, 6),
  ],
  [
    'moves a time by less than a millisecond',
    { kind: 'row_edited', seq: 4 },
    (superuser, { tenantId }) =>
      superuser`update flarewatch.audit_log set at = at + interval '7 microseconds' where tenant_id = ${tenantId} and seq = 4`,
  ],
  [
    'deletes a row',
    { kind: 'row_deleted', seq: 4 },
    (superuser, { tenantId }) => superuser`delete from flarewatch.audit_log where tenant_id = ${tenantId} and seq = 4`,
  ],
  [
    'deletes a row and renumbers those after it',
    { kind: 'row_deleted', seq: 3 },
    async (superuser, { tenantId }) => {
      await superuser`delete from flarewatch.audit_log where tenant_id = ${tenantId} and seq = 3`
      for (const seq of [4, 5, 6])
        await superuser`update flarewatch.audit_log set seq = ${seq - 1} where tenant_id = ${tenantId} and seq = ${seq}`
    },
  ],
  [
    'cuts off the tail',
    { kind: 'tail_truncated', seq: 5 },
    (superuser, { tenantId }) => superuser`delete from flarewatch.audit_log where tenant_id = ${tenantId} and seq >= 5`,
  ],
  [
    'cuts off the tail and sets the head back',
    { kind: 'tail_truncated', seq: 6 },
    async (superuser, { tenantId, rows }) => {
      await superuser`delete from flarewatch.audit_log where tenant_id = ${tenantId} and seq = 6`
      await superuser`update flarewatch.audit_heads set seq = 5, hash = ${rows[4]?.hash ?? null} where tenant_id = ${tenantId}`
    },
  ],
  [
    'empties the chain',
    { kind: 'tail_truncated', seq: 1 },
    (superuser, { tenantId }) => superuser`delete from flarewatch.audit_log where tenant_id = ${tenantId}`,
  ],
  [
    'adds a row under a number that is taken',
    { kind: 'row_inserted', seq: 5 },
    (superuser, { tenantId }) =>
      superuser`insert into flarewatch.audit_log select tenant_id, ${epochOfMonth(-1)}, seq, gen_random_uuid(), at, key_version, previous_hash,
      actor_tag, action_tag, target_tag, sealed, hash from flarewatch.audit_log where tenant_id = ${tenantId} and seq = 5`,
  ],
  [
    'inserts a row and renumbers those after it',
    { kind: 'row_inserted', seq: 5 },
    async (superuser, { tenantId }) => {
      for (const seq of [6, 5])
        await superuser`update flarewatch.audit_log set seq = ${seq + 1} where tenant_id = ${tenantId} and seq = ${seq}`
      await superuser`insert into flarewatch.audit_log select tenant_id, epoch, 5, gen_random_uuid(), at, key_version, previous_hash,
      actor_tag, action_tag, target_tag, sealed, hash from flarewatch.audit_log where tenant_id = ${tenantId} and seq = 6`
    },
  ],
  [
    'swaps two rows',
    { kind: 'row_reordered', seq: 4 },
    async (superuser, { tenantId }) => {
      for (const [from, to] of [
        [4, 99],
        [5, 4],
        [99, 5],
      ] as const) {
        await superuser`update flarewatch.audit_log set seq = ${to} where tenant_id = ${tenantId} and seq = ${from}`
      }
    },
  ],
  [
    'appends a row that the ledger never wrote',
    { kind: 'ledger_behind', seq: 7 },
    (superuser, { tenantId, rows }) => forge(superuser, tenantId, rows),
  ],
  [
    'changes the head from which the next row is judged',
    { kind: 'head_mismatch', seq: 6 },
    (superuser, { tenantId }) =>
      superuser`update flarewatch.audit_heads set hash = sha256('forged') where tenant_id = ${tenantId}`,
  ],
  [
    'changes a remembered receipt',
    { kind: 'receipt_inconsistent', seq: 4 },
    (superuser, { tenantId }) =>
      superuser`update flarewatch.receipts set root = sha256('forged') where log = ${tenantId} and size = 4`,
  ],
  [
    'removes the tenant',
    { kind: 'tenant_missing', seq: 1 },
    async (superuser, { tenantId }) => {
      await superuser`delete from flarewatch.audit_log where tenant_id = ${tenantId}`
      await superuser`delete from flarewatch.audit_heads where tenant_id = ${tenantId}`
      await superuser`delete from flarewatch.tenants where id = ${tenantId}`
    },
  ],
]

/** Superusers may switch the guards off; what they then do is the verifier's to find. */
export async function withoutTriggers(superuser: Superuser, act: () => Promise<unknown>): Promise<void> {
  const tables = ['audit_log', `audit_log_${epochOfMonth(-1)}`, `audit_log_${epochOfMonth(0)}`]
  for (const table of tables) await superuser`alter table ${superuser(`flarewatch.${table}`)} disable trigger user`
  try {
    await act()
  } finally {
    for (const table of tables)
      await superuser`alter table ${superuser(`flarewatch.${table}`)} enable always trigger refuse_change`
    for (const table of tables)
      await superuser`alter table ${superuser(`flarewatch.${table}`)} enable always trigger extend_chain`
  }
}

function epochOfMonth(offset: number): number {
  const month = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + offset))
  return month.getUTCFullYear() * 100 + month.getUTCMonth() + 1
}

/** Changes a row's content and recomputes the hashes from there to `last`, as someone who knows the format would. */
async function rehash(superuser: Superuser, tenantId: TenantId, first: number, last: number): Promise<void> {
  await superuser`update flarewatch.audit_log set sealed = sha256('forged') || substr(sealed, 33) where tenant_id = ${tenantId} and seq = ${first}`
  for (let seq = first; seq <= last; seq += 1) {
    await superuser`
      update flarewatch.audit_log set hash = flarewatch.audit_row_hash(audit_log) where tenant_id = ${tenantId} and seq = ${seq}`
    if (seq === last) break
    await superuser`
      update flarewatch.audit_log set previous_hash = (
        select hash from flarewatch.audit_log where tenant_id = ${tenantId} and seq = ${seq}
      ) where tenant_id = ${tenantId} and seq = ${seq + 1}`
  }
  if (last === 6) await setHeadToLast(superuser, tenantId)
}

async function setHeadToLast(superuser: Superuser, tenantId: TenantId): Promise<void> {
  await superuser`
    update flarewatch.audit_heads set (seq, hash) = (
      select seq, hash from flarewatch.audit_log where tenant_id = ${tenantId} order by epoch desc, seq desc limit 1
    ) where tenant_id = ${tenantId}`
}

async function forge(superuser: Superuser, tenantId: TenantId, rows: readonly AuditRow[]): Promise<void> {
  const last = rows.at(-1)
  if (last === undefined) throw new Error('no row to extend')
  const forged = { ...last, seq: last.seq + 1, rowId: randomUUID(), previousHash: last.hash }
  await superuser`
    insert into flarewatch.audit_log select tenant_id, epoch, ${forged.seq}, ${forged.rowId}, at, key_version, ${forged.previousHash},
      actor_tag, action_tag, target_tag, sealed, ${hashRow(forged)} from flarewatch.audit_log where tenant_id = ${tenantId} and seq = ${last.seq}`
  await setHeadToLast(superuser, tenantId)
}
