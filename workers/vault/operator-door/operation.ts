import type { z } from 'zod'
import type {
  OperatorErrorCode,
  OperatorOperation,
  OperatorOperations,
} from '../../../domain/contracts/operator-door.ts'
import type { Result } from '../../../domain/result.ts'
import type { AppendRefusal } from '../audit-append.ts'
import type { ReleaseRefusal } from '../release.ts'
import type { Visit } from '../visit.ts'

export type RequestOf<Name extends OperatorOperation> = z.output<(typeof OperatorOperations)[Name]['request']>
export type ResponseOf<Name extends OperatorOperation> = z.input<(typeof OperatorOperations)[Name]['response']>
/** Reached by a visit whose operator JWT has been verified. Every act on a tenant is a row in its chain, by actor `operator`. */
export type Operation<Name extends OperatorOperation> = (
  visit: Visit,
  request: RequestOf<Name>,
) => Promise<Result<ResponseOf<Name>, OperatorErrorCode>>

export const ACTOR = 'operator'

/** The operator is who has to mend it, and so is told what it is; a failure to open stays one code here too. */
export function operatorRefusal(code: ReleaseRefusal | AppendRefusal): OperatorErrorCode {
  switch (code) {
    case 'row_conflict':
    case 'already_released':
    case 'tenant_mismatch':
      return 'ledger_refused'
    case 'audit_key_missing':
      return 'tenant_unknown'
    case 'kek_demo':
      return 'kek_malformed'
    default:
      return code
  }
}
