import { z } from 'zod'
import { TenantId, type WebhookEventId } from '../../domain/contracts/ids.ts'
import { type WebhookEvent, WebhookProvider } from '../../domain/webhooks/judge.ts'
import type { Sql } from '../runtime/database.ts'
import { insertIncident } from './facts-store.ts'

const WaitingEvent = z.object({
  tenant_id: TenantId,
  provider: WebhookProvider,
  dek_version: z.int().nullable(),
  ciphertext: z.instanceof(Uint8Array).nullable(),
})
export type WaitingEvent = z.output<typeof WaitingEvent>
const Applied = z.enum(['applied', 'duplicate', 'gone'])

/** The connector's side of the inbox: it reads the event that a message names, and ends it; of all others it sees nothing. */
export class EventStore {
  readonly #sql: Sql
  readonly #clock: () => Promise<number>

  constructor(sql: Sql, clock: () => Promise<number>) {
    this.#sql = sql
    this.#clock = clock
  }

  async waiting(eventId: WebhookEventId): Promise<WaitingEvent | undefined> {
    const [row] = await this.#sql`
      select tenant_id, provider, dek_version, ciphertext from flarewatch.waiting_event(${eventId})`
    return row === undefined ? undefined : WaitingEvent.parse(row)
  }

  /** Null for an event whose body cannot be read any more. */
  async apply(eventId: WebhookEventId, event: WebhookEvent | null): Promise<z.output<typeof Applied>> {
    const at = new Date(await this.#clock())
    const happenedAt = event === null ? null : new Date(event.at)
    const [row] = await this.#sql`
      select flarewatch.apply_event(${eventId}, ${event?.id ?? null}, ${happenedAt}, ${at}) as applied`
    return Applied.parse(row?.applied)
  }

  /** An event of ours that does not open was not sealed by the vault for this tenant, or was changed since. */
  async noteUnopened(eventId: WebhookEventId, tenantId: TenantId, code: string): Promise<void> {
    const at = new Date(await this.#clock())
    const detail = { event: eventId, code }
    await this.#sql.begin((sql) => insertIncident(sql, { kind: 'webhook_not_openable', tenantId, detail, at }))
  }
}
