import type { StatementFailure } from 'domain/contracts/console.ts'
import { isPlainText } from 'domain/contracts/console.ts'
import { isTooDeep, parse, refused } from './judge.ts'

/** What may be sent to a client's project: a SELECT without what ends it, to be wrapped; or an EXPLAIN, to be sent as it is. */
export type ProjectStatement = { readonly kind: 'select' | 'explain'; readonly text: string }

/**
 * One SELECT, VALUES or EXPLAIN of such, without INTO, locks and statements that write in a CTE. What names it may use is the project's own
 * business: its read-only endpoint and role are the wall, and this keeps what is no reading from being asked at all.
 */
export function judgeForProject(statement: string): ProjectStatement | StatementFailure {
  if (!isPlainText(statement)) return refused('the statement holds a character that is not text', null)
  if (isTooDeep(statement)) return refused('the statement is too deep or too long', null)
  const parsed = parse(statement)
  if ('failed' in parsed) return parsed.failed
  const [only, ...others] = list(fields(parsed.tree).stmts).map(fields)
  if (only === undefined || others.length > 0) {
    return refused(`${only === undefined ? 'an empty statement' : 'more than one statement'} is not allowed`, null)
  }
  const explained = fields(fields(only.stmt).ExplainStmt).query
  const query = explained ?? only.stmt
  if (Object.keys(fields(query)).join() !== 'SelectStmt' || writes(query)) {
    return refused('anything but one SELECT, VALUES or EXPLAIN that only reads is not allowed', null)
  }
  return { kind: explained === undefined ? 'select' : 'explain', text: textOf(statement, only) }
}

/** Statements are nodes whose name ends so; the two fields make a SELECT write or lock. */
function writes(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(writes)
  return Object.entries(fields(node)).some(
    ([name, below]) =>
      name === 'intoClause' ||
      name === 'lockingClause' ||
      (/Stmt$/.test(name) && name !== 'SelectStmt') ||
      writes(below),
  )
}

/** The parser counts bytes of UTF-8, and leaves the length out where nothing ends the statement. */
function textOf(statement: string, { stmt_location: from, stmt_len: length }: Fields): string {
  const bytes = new TextEncoder().encode(statement)
  const begin = typeof from === 'number' ? from : 0
  const end = typeof length === 'number' && length > 0 ? begin + length : bytes.length
  return new TextDecoder().decode(bytes.subarray(begin, end))
}

type Fields = Readonly<Record<string, unknown>>

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
