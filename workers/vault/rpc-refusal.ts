import type { AppendRefusal } from './audit-append.ts'
import type { ReleaseRefusal } from './release.ts'

/** What an RPC door tells its caller of a release or an append that ended without one. */
export type RpcRefusal =
  | 'tenant_frozen'
  | 'budget_exceeded'
  | 'ledger_unreachable'
  | 'ledger_refused'
  | 'store_unreachable'
  | 'not_openable'

/** Failures to open are one code out there; the sealed row and the log say which it was. */
export function rpcRefusal(code: ReleaseRefusal | AppendRefusal): RpcRefusal {
  switch (code) {
    case 'tenant_frozen':
    case 'budget_exceeded':
    case 'ledger_unreachable':
    case 'store_unreachable':
    case 'not_openable':
      return code
    case 'ledger_behind':
    case 'ledger_full':
    case 'ledger_lost':
    case 'ledger_unproven':
    case 'row_conflict':
    case 'already_released':
    case 'tenant_mismatch':
      return 'ledger_refused'
    case 'audit_key_missing':
    case 'kek_missing':
    case 'kek_malformed':
    case 'kek_demo':
    case 'kek_mismatch':
    case 'kek_version_unknown':
    case 'kek_denied':
    case 'kek_retired':
      return 'not_openable'
  }
}
