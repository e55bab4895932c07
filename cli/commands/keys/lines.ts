import type { KekLine } from '../../../domain/contracts/operator-door.ts'

export function rowsUnder({ rows }: KekLine): number {
  return rows.tenant_keys + rows.audit_keys + rows.credentials
}

export function describeVersion(line: KekLine): string {
  const { version, state, since, rows, emptied_at } = line
  const counted =
    emptied_at === null || rowsUnder(line) > 0
      ? `${rows.credentials} credentials, ${rows.tenant_keys} tenant keys, ${rows.audit_keys} audit keys`
      : `no row since ${emptied_at}`
  return `KEK version ${version}  ${state.padEnd(9)} since ${since}  ${counted}`
}
