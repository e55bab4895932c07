import { z } from 'zod'
import { LINT_NAMES, MAX_OF_A_LINT } from './lints.ts'
import { FUNCTION_ERRORS_QUERY, MAX_SLOW_STATEMENTS } from './queries.ts'

/** What a project's database and logs answer to the queries of ours. Grading needs none of it, and with it no page. */

const wholeNumber = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .refine(Number.isSafeInteger)

/** `DATABASE_QUERY`: one row. `statements_schema` is null where pg_stat_statements is not installed. */
export const DatabaseRows = z.tuple([
  z.object({
    read_at: wholeNumber,
    database_bytes: wholeNumber,
    connections: wholeNumber,
    connection_limit: wholeNumber,
    statements_schema: z.string().max(63).nullable(),
  }),
])

/** What names an object, with nothing in it that a line of text cannot hold. */
const subject = z
  .string()
  .min(1)
  .max(300)
  .transform((text) => text.toWellFormed().replace(/\p{Cc}/gu, '\ufffd'))

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown
      } catch {
        context.addIssue('not JSON')
        return z.NEVER
      }
    })
    .pipe(schema)

/** `SLOW_STATEMENTS_QUERY`. A query id is a signed 64-bit number. */
export const SlowStatementsRows = z.tuple([
  z.object({
    read_at: wholeNumber,
    slow_statements: wholeNumber,
    slowest: json(
      z
        .array(z.object({ id: z.string().regex(/^-?\d{1,19}$/), calls: wholeNumber, mean_ms: wholeNumber }))
        .max(MAX_SLOW_STATEMENTS),
    ),
  }),
])

/** `LINTS_QUERY`: one row. */
export const LintRows = z.tuple([
  z.object({
    read_at: wholeNumber,
    found: json(z.array(z.object({ lint: z.enum(LINT_NAMES), subject })).max(LINT_NAMES.length * (MAX_OF_A_LINT + 1))),
  }),
])

/** Its logs go back by a day at least, and one question may reach over a day at most. */
export const LOGS_MS = 24 * 3_600_000

export function functionErrorsPath(ref: string, from: Date, to: Date): string {
  const query = new URLSearchParams({
    sql: FUNCTION_ERRORS_QUERY,
    iso_timestamp_start: from.toISOString(),
    iso_timestamp_end: to.toISOString(),
  })
  return `/v1/projects/${ref}/analytics/endpoints/logs?${query}`
}

/** ClickHouse writes a count as a number or, above 32 bits, as text. */
const counted = z.union([z.int().min(0), wholeNumber])
const hourOfErrors = z.object({ hour: counted, errors: counted, read_at: counted })
/** `AnalyticsResponse` to `FUNCTION_ERRORS_QUERY`: the hours, which add up to hour 0. What went wrong with the query is told with a 200. */
export const FunctionErrors = z
  .object({ result: z.array(hourOfErrors).max(27), error: z.null().optional() })
  .transform(({ result }) => ({
    total: result.find(({ hour }) => hour === 0) ?? { errors: -1, read_at: 0 },
    hours: result.filter(({ hour }) => hour !== 0),
  }))
  .refine(({ total, hours }) => total.errors === hours.reduce((sum, { errors }) => sum + errors, 0))
