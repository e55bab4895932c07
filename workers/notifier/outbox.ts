import { z } from 'zod'
import { TenantId } from '../../domain/contracts/ids.ts'
import type { Sql } from '../runtime/database.ts'

/**
 * Covers the sending of a whole claim. A notifier that dies between sending and marking leaves a lease to run out; the next claim
 * sends the same text under the same idempotency key, which Resend remembers for a day.
 */
const LEASE_SECONDS = 120

const Claimed = z.object({
  id: z.uuid(),
  kind: z.string(),
  payload: z.unknown(),
  attempt: z.int(),
  tenant_id: TenantId.nullable(),
  tenant_name: z.string().nullable(),
  to_operator: z.boolean(),
  address: z.string().nullable(),
})
export type ClaimedMail = z.output<typeof Claimed>

/** The notifier's side of Postgres: its role may call these functions and nothing else. */
export class Outbox {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  async claim(at: Date, batch: number): Promise<ClaimedMail[]> {
    const rows = await this.#sql`
      select id, kind, payload, attempt, tenant_id, tenant_name, to_operator, address
      from flarewatch.claim_mail(${at}, ${LEASE_SECONDS}, ${batch})`
    return z.array(Claimed).parse(rows.slice())
  }

  async sent({ id }: ClaimedMail, at: Date): Promise<void> {
    await this.#sql`select flarewatch.mail_sent(${id}, ${at})`
  }

  async putOff({ id, attempt }: ClaimedMail, until: Date, reason: string): Promise<void> {
    await this.#sql`select flarewatch.mail_put_off(${id}, ${attempt}, ${until}, ${reason})`
  }

  async giveUp({ id, attempt }: ClaimedMail, at: Date, reason: string): Promise<void> {
    await this.#sql`select flarewatch.mail_given_up(${id}, ${attempt}, ${at}, ${reason})`
  }
}
