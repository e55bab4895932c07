import { z } from 'zod'
import type { SealedRow } from '../../domain/audit/row.ts'
import type { ShredAnswer, Shredding } from '../../domain/contracts/durable-objects.ts'
import { KeyInventory } from '../../domain/contracts/shredding.ts'
import { shareCheckValue } from '../../domain/note/shredding.ts'
import { fromBlob } from '../columns.ts'
import type { Book } from './book.ts'
import type { LedgerSql } from './platform.ts'
import type { LedgerColumns, ShreddingColumns } from './tables.ts'

const Inventory = z.string().transform((text) => KeyInventory.parse(JSON.parse(text)))

/** Null while the tenant lives. */
export function readShredding(sql: LedgerSql): Shredding | null {
  const [row] = sql.exec<ShreddingColumns>('SELECT * FROM shredding').toArray()
  if (row === undefined) return null
  return {
    seq: row.seq,
    hash: fromBlob(row.hash),
    at: row.at,
    releaseShare: fromBlob(row.release_check),
    auditShare: fromBlob(row.audit_check),
    inventory: Inventory.parse(row.inventory),
  }
}

/** Runs inside one transaction: the last row, the names of the shares and their end, or none of it. */
export function shred(
  sql: LedgerSql,
  book: Book,
  { row, at, inventory }: { readonly row: SealedRow; readonly at: number; readonly inventory: KeyInventory },
): ShredAnswer {
  const done = readShredding(sql)
  if (done !== null) return { ok: true, ...done }
  const last = book.append({ row, at })
  if (!last.ok) return { ok: false, code: last.code }
  const { audit_share, release_share } = sql.exec<LedgerColumns>('SELECT * FROM ledger').one()
  const shares = { release: fromBlob(release_share), audit: fromBlob(audit_share) }
  sql.exec(
    `INSERT INTO shredding (one, seq, hash, at, release_check, audit_check, inventory) VALUES (1, ?, ?, ?, ?, ?, ?)`,
    last.seq,
    last.hash,
    last.at,
    shareCheckValue(shares.release),
    shareCheckValue(shares.audit),
    JSON.stringify(inventory),
  )
  // Overwritten at their length rather than set to nothing, so that the page itself holds them no more.
  sql.exec('UPDATE ledger SET audit_share = zeroblob(32), release_share = zeroblob(32)')
  for (const share of Object.values(shares)) share.fill(0)
  const now = readShredding(sql)
  if (now === null) throw new Error('the shredding was not written')
  return { ok: true, ...now }
}
