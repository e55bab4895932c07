import { isPlainText, type StatementFailure } from 'domain/contracts/console.ts'
import { loadModule, parseSync } from 'libpg-query'
import { judgeTree } from './tree.ts'

/** Deeper than people write, and shallow enough for the parser's fixed stack. */
const MAX_BRACKETS = 64
const MAX_OPERATORS = 400
const OPERATOR = /[-+*/%<>=|~!@#&^?:]+|\b(?:not|and|or|case|union|except|intersect|select|is|in|like)\b/giu

await loadModule()

/**
 * Parsed by Postgres's own grammar before anything else sees it: one SELECT, VALUES or EXPLAIN (COSTS OFF), of what is allowed. Null is
 * a statement that may run.
 */
export function judgeStatement(statement: string): StatementFailure | null {
  if (!isPlainText(statement)) return refused('the statement holds a character that is not text', null)
  if (isTooDeep(statement)) return refused('the statement is too deep or too long', null)
  const parsed = parse(statement)
  if ('failed' in parsed) return parsed.failed
  const refusal = judgeTree(parsed.tree)
  if (refusal === null) return null
  const position = refusal.at === null ? null : characterAt(statement, refusal.at)
  return refused(`${refusal.what} is not allowed in the console`, position)
}

/** Judged before the parser is. Counts also what is in quotes: what people write passes all the same. */
export function isTooDeep(statement: string): boolean {
  let depth = 0
  for (const character of statement) {
    if (character === '(' || character === '[') depth += 1
    if (character === ')' || character === ']') depth -= 1
    if (depth > MAX_BRACKETS) return true
  }
  return (statement.match(OPERATOR) ?? []).length > MAX_OPERATORS
}

export function parse(statement: string): { readonly tree: unknown } | { readonly failed: StatementFailure } {
  try {
    return { tree: parseSync(statement) }
  } catch (error) {
    const { message, at } = syntaxError(error)
    const position = at === null ? null : characterAt(statement, at)
    return { failed: { state: 'failed', code: 'statement_invalid', message, sqlstate: '42601', position } }
  }
}

/** The parser's own words, which are about the text alone. */
function syntaxError(error: unknown): { readonly message: string; readonly at: number | null } {
  const details = error instanceof Error && 'sqlDetails' in error ? error.sqlDetails : undefined
  if (typeof details !== 'object' || details === null) return { message: 'the statement cannot be parsed', at: null }
  const message = 'message' in details && typeof details.message === 'string' ? details.message : 'syntax error'
  const at = 'cursorPosition' in details && typeof details.cursorPosition === 'number' ? details.cursorPosition : -1
  return { message, at: at < 0 ? null : at }
}

export function refused(message: string, position: number | null): StatementFailure {
  return { state: 'failed', code: 'statement_refused', message, sqlstate: null, position }
}

/** The parser counts bytes of UTF-8 from 0, Postgres and people count characters from 1. */
function characterAt(statement: string, byte: number): number {
  const before = new TextDecoder().decode(new TextEncoder().encode(statement).subarray(0, byte))
  return [...before].length + 1
}
