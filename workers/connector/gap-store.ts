import { z } from 'zod'
import type { SealedEvent } from '../../domain/contracts/connector-door.ts'
import { WebhookEndpointId } from '../../domain/contracts/ids.ts'
import { WebhookProvider } from '../../domain/webhooks/judge.ts'
import type { Sql, Transaction } from '../runtime/database.ts'
import { boundTo, type LeasedJob } from './job-store.ts'

const Reconcilable = z.object({ endpoint_id: WebhookEndpointId, provider: WebhookProvider, since: z.date() })
export type Reconcilable = z.output<typeof Reconcilable>
const Missing = z.array(z.object({ event: z.string() }))

/** An event that never came, with the provider's own id and time, as the vault has sealed it. */
export type Gap = { readonly id: string; readonly at: number; readonly sealed: SealedEvent }
/** Without a code, all until then was compared. */
export type ReconciliationEnd = { readonly until: Date; readonly againAt: Date; readonly code: string | null }

/** What a leased job's own account was delivered, beside what its provider lists. The functions of SQL see no other account. */
export class GapStore {
  readonly #sql: Sql
  readonly #clock: () => Promise<number>

  constructor(sql: Sql, clock: () => Promise<number>) {
    this.#sql = sql
    this.#clock = clock
  }

  /** The endpoint of the account, where a comparison is due. */
  due(job: LeasedJob): Promise<Reconcilable | undefined> {
    return this.#bound(job, async (sql) => {
      const [row] = await sql`select endpoint_id, provider, since from flarewatch.reconcilable_endpoint()`
      return row === undefined ? undefined : Reconcilable.parse(row)
    })
  }

  missing(job: LeasedJob, listed: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#bound(job, async (sql) => {
      const rows = await sql`select event from flarewatch.missing_events(${sql.json([...listed])}) as event`
      return new Set(Missing.parse(rows.slice()).map(({ event }) => event))
    })
  }

  /** All of them, or none. How many there were still to fill. */
  fill(job: LeasedJob, gaps: readonly Gap[]): Promise<number> {
    return this.#bound(job, async (sql) => {
      const filled = await Promise.all(gaps.map((gap) => fillGap(sql, gap)))
      return filled.filter(Boolean).length
    })
  }

  end(job: LeasedJob, { until, againAt, code }: ReconciliationEnd): Promise<void> {
    return this.#bound(job, async (sql) => {
      await sql`select flarewatch.end_reconciliation(${until}, ${againAt}, ${code})`
    })
  }

  async #bound<Value>(job: LeasedJob, act: (sql: Transaction) => Promise<Value>): Promise<Value> {
    return boundTo(this.#sql, job.id, new Date(await this.#clock()), act)
  }
}

async function fillGap(sql: Transaction, { id, at, sealed }: Gap): Promise<boolean> {
  const { eventId, dekVersion, salt, ciphertext } = sealed
  const [row] = await sql<{ filled: boolean }[]>`
    select flarewatch.fill_gap(${eventId}, ${id}, ${new Date(at)}, ${dekVersion}, ${salt}, ${ciphertext}) as filled`
  return row?.filled === true
}
