import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type postgres from 'postgres'
import { type AuditRow, epochOf, genesisHash, rowHashInput } from '../../domain/audit/row.ts'

/** The smallest sealed content, which most rows have. */
const SEALED_BYTES = 285
/** Rows that are handed to COPY at a time. */
const COPIED_ROWS = 500

/** A sound chain of so many rows, all of this month, whose random bytes follow from the seed. */
export function* longChain(tenantId: string, rows: number, seed: number): Generator<AuditRow> {
  const start = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth())
  const noise = Buffer.concat(Array.from({ length: 64 }, (_, at) => digest(Buffer.from(`${seed} noise ${at}`))))
  const some = (length: number, at: number) => noise.subarray(at % (noise.length - length)).subarray(0, length)
  let previousHash: Uint8Array = genesisHash(tenantId)
  for (let seq = 1; seq <= rows; seq += 1) {
    const at = start + Math.floor(seq / 10)
    const unhashed = {
      tenantId,
      epoch: epochOf(at),
      seq,
      rowId: rowIdOf(seq),
      at,
      keyVersion: 1,
      previousHash,
      actorTag: some(32, seq * 7),
      actionTag: some(32, seq * 11),
      targetTag: some(32, seq * 13),
      sealed: some(SEALED_BYTES, seq * 17),
    }
    const hash = digest(rowHashInput(unhashed))
    previousHash = hash
    yield { ...unhashed, hash }
  }
}

/** Past the trigger, which judges row by row: what it would have judged is what is measured here. */
export async function storeLongLog(superuser: postgres.Sql, rows: number, seed: number): Promise<string> {
  const tenantId = randomUUID()
  const leaf = `flarewatch.audit_log_${epochOf(Date.now())}`
  await superuser`insert into flarewatch.tenants (id, name) values (${tenantId}, 'Bench')`
  await superuser`alter table ${superuser(leaf)} disable trigger user`
  const copy = await superuser`
    copy ${superuser(leaf)} (tenant_id, epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag,
      sealed, hash) from stdin`.writable()
  let last: AuditRow | null = null
  await pipeline(
    Readable.from(
      (function* () {
        let lines: string[] = []
        for (const row of longChain(tenantId, rows, seed)) {
          last = row
          lines.push(copyLine(row))
          if (lines.length < COPIED_ROWS) continue
          yield lines.join('')
          lines = []
        }
        yield lines.join('')
      })(),
    ),
    copy,
  )
  await superuser`alter table ${superuser(leaf)} enable trigger user`
  await storeHead(superuser, last)
  await superuser`vacuum analyze ${superuser(leaf)}`
  return tenantId
}

async function storeHead(superuser: postgres.Sql, last: AuditRow | null): Promise<void> {
  if (last === null) return
  const { tenantId, seq, epoch, hash, at } = last
  await superuser`insert into flarewatch.audit_heads values (${tenantId}, ${seq}, ${epoch}, ${hash}, ${new Date(at)})`
}

function copyLine(row: AuditRow): string {
  const bytea = (bytes: Uint8Array) => `\\\\x${Buffer.from(bytes).toString('hex')}`
  const fields = [
    row.tenantId,
    row.epoch,
    row.seq,
    row.rowId,
    new Date(row.at).toISOString(),
    row.keyVersion,
    bytea(row.previousHash),
    bytea(row.actorTag),
    bytea(row.actionTag),
    bytea(row.targetTag),
    bytea(row.sealed),
    bytea(row.hash),
  ]
  return `${fields.join('\t')}\n`
}

function rowIdOf(seq: number): string {
  return `00000000-0000-4000-8000-${seq.toString(16).padStart(12, '0')}`
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
