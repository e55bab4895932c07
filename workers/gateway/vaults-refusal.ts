import type { ApiErrorCode } from '../../domain/contracts/api.ts'
import type { GatewayDoorRefusal } from '../../domain/contracts/gateway-door.ts'

/** The vault's refusals as the gateway's own. */
export function vaultsRefusal(code: GatewayDoorRefusal['code']): ApiErrorCode {
  switch (code) {
    case 'user_token_invalid':
      return 'unauthenticated'
    case 'session_unknown':
      return 'not_found'
    case 'session_ended':
    case 'session_expired':
    case 'aal2_required':
    case 'not_a_member':
    case 'tenant_frozen':
    case 'budget_exceeded':
    case 'store_unreachable':
      return code
    case 'ledger_unreachable':
    case 'ledger_refused':
      return 'vault_unreachable'
    case 'not_openable':
      return 'internal'
  }
}
