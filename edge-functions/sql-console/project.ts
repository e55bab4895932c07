import {
  type ConsoleColumn,
  MAX_RESULT_BYTES,
  MAX_ROWS,
  STATEMENT_MS,
  type StatementAnswer,
} from 'domain/contracts/console.ts'
import { queryPath } from 'domain/providers/supabase/schemas.ts'
import { z } from 'zod'
import { createAsk } from '../_shared/ask-provider.ts'
import { Refused } from '../_shared/errors.ts'
import { failureOf } from './failure.ts'
import type { ProjectStatement } from './judge-project.ts'

export type Project = {
  readonly apiUrl: string
  readonly token: string
  readonly ref: string
  /** Aborted when whoever asked goes away. */
  readonly signal: AbortSignal
  readonly milliseconds?: number
}

/** Of the answer as it travels: what the limits let through, with room for how JSON in JSON is written. */
const MAX_ANSWER_BYTES = 3 * MAX_RESULT_BYTES

/** Before the statement, in whole lines, so that an error's line is told from ours. */
const HEAD = `with answer as (select q, pg_catalog.row_number() over () as n from (
`
/** Values as text, as Postgres writes them in JSON: no number is rounded on the way. Names and kinds come with the first row. */
const TAIL = `
) as q limit ${MAX_ROWS + 1}), told as (
select n,
  (select coalesce(pg_catalog.json_agg(e.value #>> '{}' order by e.place), '[]')::text
    from pg_catalog.json_each(pg_catalog.to_json(q)) with ordinality as e (key, value, place)) as line,
  case when n = 1 then (select pg_catalog.json_agg(pg_catalog.json_build_array(e.key, pg_catalog.json_typeof(e.value)) order by e.place)::text
    from pg_catalog.json_each(pg_catalog.to_json(q)) with ordinality as e (key, value, place)) end as columns
from answer), measured as (select told.*, pg_catalog.sum(pg_catalog.octet_length(line) + 1) over (order by n) as size from told)
select columns, line from measured where size - pg_catalog.octet_length(line) < ${MAX_RESULT_BYTES} order by n`
const HEAD_LINES = HEAD.split('\n').length - 1

/** One statement at Supabase's read-only endpoint. It cannot be cancelled there: who gives up leaves it to the project's own time limit. */
export async function runAtProject(project: Project, { kind, text }: ProjectStatement): Promise<StatementAnswer> {
  const began = performance.now()
  const query = kind === 'select' ? HEAD + text + TAIL : text
  const overdue = AbortSignal.timeout(project.milliseconds ?? STATEMENT_MS)
  const limits = { maxAnswerBytes: MAX_ANSWER_BYTES, signal: AbortSignal.any([project.signal, overdue]) }
  const ask = createAsk(project.token, project.apiUrl, limits)
  const answer = await ask({ method: 'POST', path: queryPath(project.ref), body: JSON.stringify({ query }) })
  if (project.signal.aborted) return failureOf({ stopped: 'statement_cancelled' })
  if (overdue.aborted) return failureOf({ stopped: 'statement_timed_out' })
  if (!answer.ok) throw new Refused('project_unreachable')
  const { status, value } = answer.value
  if (status === 400) return failedAt(value, text, kind === 'select' ? HEAD_LINES : 0)
  if (status !== 200 && status !== 201) throw new Refused(REFUSALS[status] ?? 'project_unreachable')
  if (value === undefined) return failureOf({ stopped: 'result_too_large' })
  const read = kind === 'select' ? selected(value) : explained(value)
  return { state: 'answered', ...read, milliseconds: Math.round(performance.now() - began) }
}

const REFUSALS: Readonly<Record<number, 'credential_rejected' | 'provider_permission_missing' | 'project_limited'>> = {
  401: 'credential_rejected',
  403: 'provider_permission_missing',
  429: 'project_limited',
}

type Read = Pick<Extract<StatementAnswer, { state: 'answered' }>, 'columns' | 'rows' | 'truncated'>

const Line = z.array(z.string().nullable())
const Column = z.tuple([z.string(), z.string()]).transform(([name, type]) => ({ name, type, kind: kindOf(type) }))
const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)
const Selected = z.array(z.object({ columns: json(z.array(Column)).nullable(), line: json(Line) }))

/** A result without rows names no columns: this way of asking has none to tell of. */
function selected(value: unknown): Read {
  const rows = parsed(Selected, value)
  const whole: (string | null)[][] = []
  let size = 1
  for (const { line } of rows) {
    size += JSON.stringify(line).length + 1
    if (whole.length === MAX_ROWS || size > MAX_RESULT_BYTES) break
    whole.push(line)
  }
  return { columns: rows[0]?.columns ?? [], rows: whole, truncated: whole.length < rows.length }
}

function kindOf(type: string): ConsoleColumn['kind'] {
  return type === 'number' || type === 'boolean' ? type : 'text'
}

const Explained = z.array(z.object({ 'QUERY PLAN': z.unknown() }))

function explained(value: unknown): Read {
  const rows = parsed(Explained, value).map(({ 'QUERY PLAN': plan }) => [
    typeof plan === 'string' ? plan : JSON.stringify(plan),
  ])
  const columns = [{ name: 'QUERY PLAN', type: 'text', kind: 'text' as const }]
  return { columns, rows: rows.slice(0, MAX_ROWS), truncated: rows.length > MAX_ROWS }
}

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  try {
    return schema.parse(value)
  } catch {
    throw new Refused('project_unreachable')
  }
}

const Failed = z.object({ message: z.string().max(16_384) })
const SAID = /ERROR:\s+([0-9A-Z]{5}): ([^\n]*)/
const AT = /\n(LINE (\d{1,6}): )[^\n]*\n( *)\^/

/** What Postgres said, by the rules of one's own warehouse: its message where that is about the text, and where in the text. */
function failedAt(value: unknown, text: string, headLines: number): StatementAnswer {
  const { message = '' } = Failed.safeParse(value).data ?? {}
  const [, code, said] = SAID.exec(message) ?? []
  if (code === undefined || said === undefined) throw new Refused('project_unreachable')
  const [, label = '', line = '', spaces = ''] = AT.exec(message) ?? []
  const position = characterAt(text, Number(line) - headLines, spaces.length - label.length)
  return failureOf({ error: { code, message: said, ...(position === null ? {} : { position }) } })
}

/** Counted from 1, of a line from 1 and a column from 0; null for a place that is in no line of the text. */
function characterAt(text: string, line: number, column: number): string | null {
  const lines = text.split('\n')
  const before = lines.slice(0, line - 1)
  const isInside = line >= 1 && column >= 0 && column <= (lines[line - 1]?.length ?? -1)
  return isInside ? String(before.reduce((sum, { length }) => sum + length + 1, column + 1)) : null
}
