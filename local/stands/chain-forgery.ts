import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { hashRow } from '../../domain/audit/row.ts'

type Superuser = postgres.Sql

/** What somebody who owns Postgres and knows the format can do to a chain of one month, leaving hashes and head in order. */
export async function rewriteRow(superuser: Superuser, tenantId: string, seq: number): Promise<void> {
  await superuser`
    update flarewatch.audit_log set sealed = sha256('forged') || substr(sealed, 33)
    where tenant_id = ${tenantId} and seq = ${seq}`
  const [last] = await superuser<{ seq: string }[]>`
    select max(seq) as seq from flarewatch.audit_log where tenant_id = ${tenantId}`
  for (let at = seq; at <= Number(last?.seq ?? 0); at += 1) {
    await superuser`
      update flarewatch.audit_log set previous_hash = (
        select hash from flarewatch.audit_log where tenant_id = ${tenantId} and seq = ${at - 1}
      ) where tenant_id = ${tenantId} and seq = ${at} and seq > 1`
    await superuser`
      update flarewatch.audit_log set hash = flarewatch.audit_row_hash(audit_log) where tenant_id = ${tenantId} and seq = ${at}`
  }
  await setHeadToLast(superuser, tenantId)
}

type StoredRow = {
  epoch: number
  seq: string
  row_id: string
  at: Date
  key_version: number
  actor_tag: Uint8Array
  action_tag: Uint8Array
  target_tag: Uint8Array
  sealed: Uint8Array
  hash: Uint8Array
}

/** Adds a row to the end: a new one with content that was not sealed for it, or the copy of an older one, which opens. */
export async function forgeTail(superuser: Superuser, tenantId: string, kind: 'new' | 'copy'): Promise<void> {
  const [last, model] = await superuser<StoredRow[]>`
    select * from flarewatch.audit_log where tenant_id = ${tenantId} order by seq desc limit 2`
  if (last === undefined || model === undefined) throw new Error('no rows to forge from')
  const unhashed = {
    tenantId,
    epoch: last.epoch,
    seq: Number(last.seq) + 1,
    rowId: kind === 'new' ? randomUUID() : model.row_id,
    at: last.at.getTime(),
    keyVersion: model.key_version,
    previousHash: last.hash,
    actorTag: model.actor_tag,
    actionTag: model.action_tag,
    targetTag: model.target_tag,
    sealed: model.sealed,
  }
  await superuser`
    insert into flarewatch.audit_log (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag,
      target_tag, sealed, hash)
    values (${tenantId}, ${unhashed.epoch}, ${unhashed.seq}, ${unhashed.rowId}, ${last.at}, ${unhashed.keyVersion},
      ${last.hash}, ${model.actor_tag}, ${model.action_tag}, ${model.target_tag}, ${model.sealed}, ${hashRow(unhashed)})`
  await setHeadToLast(superuser, tenantId)
}

async function setHeadToLast(superuser: Superuser, tenantId: string): Promise<void> {
  await superuser`
    update flarewatch.audit_heads set (seq, hash) = (
      select seq, hash from flarewatch.audit_log where tenant_id = ${tenantId} order by epoch desc, seq desc limit 1
    ) where tenant_id = ${tenantId}`
}
