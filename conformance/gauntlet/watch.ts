import type postgres from 'postgres'
import type { RunFile } from '../run-file.ts'
import { fireCron } from '../stack.ts'

export type Raised = {
  readonly id: string
  readonly tenant_id: string | null
  readonly kind: string
  readonly seq: number | null
  readonly part: string
}

export function words({ tenant_id, kind, seq, part }: Raised): string {
  return `${kind} at ${seq} of ${tenant_id ?? 'no tenant'}, by ${part}`
}

export const NIGHTLY = '15 2 * * *'
export const EVERY_FEW_MINUTES = '*/5 * * * *'

/** What the running stack says of itself: its incidents, as they come. */
export class Watch {
  readonly #sql: postgres.Sql
  readonly #run: RunFile
  readonly #seen = new Set<string>()

  constructor(sql: postgres.Sql, run: RunFile) {
    this.#sql = sql
    this.#run = run
  }

  /** What was raised since the last look. */
  async news(): Promise<Raised[]> {
    const rows = await this.#sql<Raised[]>`
      select id, tenant_id, kind, seq::float8 as seq, part from flarewatch.incidents order by at, kind`
    const news = rows.filter(({ id }) => !this.#seen.has(id))
    for (const { id } of news) this.#seen.add(id)
    return news
  }

  /** Lets the verifier run, and answers what was raised since the last look. */
  async fire(cron: string): Promise<Raised[]> {
    await fireCron(this.#run, 'verifier', cron)
    return this.news()
  }

  /** An incident that is raised once for one thing must be raised again for the next. */
  async forget(raised: readonly Raised[]): Promise<void> {
    if (raised.length === 0) return
    for (const { id } of raised) this.#seen.delete(id)
    await this.#sql`delete from flarewatch.incidents where id in ${this.#sql(raised.map(({ id }) => id))}`
  }
}
