import { randomBytes } from 'node:crypto'
import type { Attempt, Delivery, SenderParts, WebhookEndpoint, WorldEvent } from './sender.ts'

const TIMEOUT_MS = 10_000

/** Carries one delivery at a time to its address, and goes by the answer. */
export class Courier {
  readonly forgeries: Attempt[] = []
  readonly #parts: Pick<SenderParts, 'manner' | 'log'>

  constructor(parts: Pick<SenderParts, 'manner' | 'log'>) {
    this.#parts = parts
  }

  async carry(delivery: Delivery, now: number): Promise<void> {
    const { endpoint, event, mishaps, attempts } = delivery
    if (mishaps.has('forged') && attempts.length === 0) await this.#forge(endpoint, event, now)
    const isLost = mishaps.has('dropped') || (mishaps.has('late') && attempts.length === 0)
    const status = isLost ? null : await this.#send(endpoint, event, now)
    attempts.push({ at: now, status })
    if (status === null || status < 200 || status > 299) return this.#again(delivery, now)
    delivery.status = 'success'
    delivery.nextAt = null
    if (mishaps.has('duplicated')) attempts.push({ at: now, status: await this.#send(endpoint, event, now) })
  }

  #again(delivery: Delivery, now: number): void {
    const wait = this.#parts.manner.retries[delivery.attempts.length - 1]
    delivery.status = wait === undefined ? 'failed' : 'attempting'
    delivery.nextAt = wait === undefined ? null : now + wait
  }

  async #forge(endpoint: WebhookEndpoint, event: WorldEvent, now: number): Promise<void> {
    const id = `${event.id}f`
    const forged = { ...event, id, body: event.body.replaceAll(event.id, id) }
    const secret = `whsec_${randomBytes(24).toString('base64')}`
    this.forgeries.push({ at: now, status: await this.#send({ ...endpoint, secret }, forged, now) })
  }

  async #send({ url, secret }: WebhookEndpoint, event: WorldEvent, now: number): Promise<number | null> {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8', ...this.#parts.manner.sign(secret, event, now) },
        body: event.body,
        // Neither provider follows one.
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      await response.body?.cancel()
      return response.status
    } catch {
      this.#parts.log(`webhooks: no answer for ${event.type}`)
      return null
    }
  }
}
