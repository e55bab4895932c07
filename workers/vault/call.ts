import { failure, type Result, success } from '../../domain/result.ts'
import { sqlStateOf } from '../runtime/database.ts'
import { type LogFields, log } from '../runtime/log.ts'

export const PART = 'vault'

/** Runs what may fail outside of us. The cause is logged by its SQLSTATE; the caller learns only which side was out. */
export async function reach<Value, Code extends 'store_unreachable' | 'ledger_unreachable'>(
  code: Code,
  work: () => Promise<Value>,
  fields: LogFields = {},
): Promise<Result<Value, Code>> {
  try {
    return success(await work())
  } catch (error) {
    const sqlstate = sqlStateOf(error)
    log(PART, 'error', code, { ...fields, ...(sqlstate === null ? {} : { sqlstate }) })
    return failure(code)
  }
}
