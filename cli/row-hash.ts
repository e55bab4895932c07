import { hash } from 'node:crypto'
import { type AuditRow, rowHashInput } from '../domain/audit/row.ts'

/** The domain's hash of a row, by Node's own SHA-256. */
export function hashRowNatively(row: AuditRow): Uint8Array {
  return hash('sha256', rowHashInput(row), 'buffer')
}
