import type { z } from 'zod'
import { LINTS_QUERY } from '../../../domain/providers/supabase/lints.ts'
import { DATABASE_QUERY, SLOW_STATEMENTS_QUERY } from '../../../domain/providers/supabase/queries.ts'
import {
  DatabaseRows,
  FunctionErrors,
  functionErrorsPath,
  LintRows,
  SlowStatementsRows,
} from '../../../domain/providers/supabase/readings.ts'
import { type Project, Projects, queryPath } from '../../../domain/providers/supabase/schemas.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'
import { askProvider } from './request.ts'

const MAX_REPLY_BYTES = 1024 * 1024
/** The window of its rate limit. */
const DEFAULT_RETRY_AFTER_MS = 60_000
/** Between the database's clock and ours. A reading from another time than now is an older answer, served again. */
const MAX_SKEW_MS = 5 * 60_000

export type DatabaseReading = z.output<typeof DatabaseRows>[0]
export type SlowStatements = z.output<typeof SlowStatementsRows>[0]
export type Lints = z.output<typeof LintRows>[0]['found']

/** Supabase's Management API, read alone. Every way in which a call can fail leaves as a `ProviderFailure`. */
export class SupabaseClient {
  readonly #access: ProviderAccess

  constructor(access: ProviderAccess) {
    this.#access = access
  }

  /** All that the token reaches, by ref. */
  async projects(): Promise<ReadonlyMap<string, Project>> {
    const projects = parse(Projects, await this.#ask('GET', '/v1/projects'))
    return new Map(projects.map((project) => [project.ref, project]))
  }

  async database(ref: string): Promise<DatabaseReading> {
    const [reading] = parse(DatabaseRows, await this.#query(ref, DATABASE_QUERY))
    await this.#requireOfNow(reading)
    return reading
  }

  async slowStatements(ref: string): Promise<SlowStatements> {
    const [statements] = parse(SlowStatementsRows, await this.#query(ref, SLOW_STATEMENTS_QUERY))
    await this.#requireOfNow(statements)
    return statements
  }

  async lints(ref: string): Promise<Lints> {
    const [lints] = parse(LintRows, await this.#query(ref, LINTS_QUERY))
    await this.#requireOfNow(lints)
    return lints.found
  }

  /** Failed calls of edge functions in each hour of [from, to) that had any call; null where the token may not read logs. */
  async functionErrors(ref: string, from: number, to: number): Promise<ReadonlyMap<number, number> | null> {
    const answer = await this.#ask('GET', functionErrorsPath(ref, new Date(from), new Date(to))).catch(nullIfForbidden)
    if (answer === null) return null
    const { total, hours } = parse(FunctionErrors, answer)
    await this.#requireOfNow(total)
    return new Map(hours.map(({ hour, errors }) => [hour * 1000, errors]))
  }

  async #requireOfNow({ read_at }: { readonly read_at: number }): Promise<void> {
    const now = await this.#access.clock()
    if (Math.abs(read_at * 1000 - now) > MAX_SKEW_MS) throw new ProviderFailure('page_repeated')
  }

  #query(ref: string, query: string): Promise<unknown> {
    return this.#ask('POST', queryPath(ref), JSON.stringify({ query }))
  }

  #ask(method: 'GET' | 'POST', path: string, body?: string): Promise<unknown> {
    return askProvider(this.#access, {
      method,
      path,
      ...(body === undefined ? {} : { body }),
      maxReplyBytes: MAX_REPLY_BYTES,
      defaultRetryAfterMs: DEFAULT_RETRY_AFTER_MS,
    })
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.output<Schema> {
  const parsed = schema.safeParse(answer)
  if (!parsed.success) throw new ProviderFailure('provider_reply_invalid')
  return parsed.data
}

function nullIfForbidden(error: unknown): null {
  if (error instanceof ProviderFailure && error.code === 'provider_forbidden') return null
  throw error
}
