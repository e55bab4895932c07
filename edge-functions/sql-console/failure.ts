import { MAX_RESULT_BYTES, STATEMENT_MS, type StatementFailure } from 'domain/contracts/console.ts'

type Stopped = 'statement_timed_out' | 'statement_cancelled' | 'result_too_large'
type PostgresFailure = { readonly code: string; readonly message: string; readonly position?: string }

const STOPPED: Readonly<Record<Stopped, string>> = {
  statement_timed_out: `The statement took longer than ${STATEMENT_MS / 1000} seconds and was cancelled.`,
  statement_cancelled: 'The statement was cancelled, or its connection was lost.',
  result_too_large: `One row of the result is larger than the console's ${MAX_RESULT_BYTES / 1_000_000} MB.`,
}

/** Classes whose message is about the statement's own text: feature not supported, cardinality, syntax and access, program limits. */
const ABOUT_TEXT = ['0A', '21', '42', '54']
/** Data exceptions quote values, so they are said in words of ours. */
const ABOUT_VALUES: Readonly<Record<string, string>> = {
  '22003': 'a value is out of the range of its type',
  '22007': 'a value is not a date or time',
  '22008': 'a date or time is out of range',
  '22012': 'division by zero',
  '22P02': 'a value does not have the form that its type needs',
}
const QUERY_CANCELED = '57014'
const ADMIN_SHUTDOWN = '57P01'

/** Postgres's message and position where they are about the user's text; details, hints and values of rows never. */
export function failureOf(what: { readonly stopped: Stopped } | { readonly error: PostgresFailure }): StatementFailure {
  if ('stopped' in what) {
    return { state: 'failed', code: what.stopped, message: STOPPED[what.stopped], sqlstate: null, position: null }
  }
  const { code, message, position } = what.error
  if (code === QUERY_CANCELED) return failureOf({ stopped: 'statement_timed_out' })
  if (code === ADMIN_SHUTDOWN) return failureOf({ stopped: 'statement_cancelled' })
  const about = ABOUT_TEXT.some((start) => code.startsWith(start))
  const told = about ? message : (ABOUT_VALUES[code] ?? 'the statement failed')
  const at = Number(position)
  return {
    state: 'failed',
    code: 'statement_failed',
    message: told,
    sqlstate: code,
    position: Number.isSafeInteger(at) && at > 0 ? at : null,
  }
}
