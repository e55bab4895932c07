import type { z } from 'zod'
import {
  type BalanceTransaction,
  BalanceTransactions,
  MAX_PAGE_ROWS,
  STRIPE_VERSION,
} from '../../../domain/providers/stripe/schemas.ts'
import {
  SUBSCRIPTION_EXPANSION,
  type Subscription,
  Subscriptions,
} from '../../../domain/providers/stripe/subscriptions.ts'
import { type ProviderAccess, ProviderFailure } from './provider.ts'
import { askProvider } from './request.ts'

/** A full page of transactions is some 100 KB; one of subscriptions, each with twenty items and its metadata, some megabytes. */
const MAX_REPLY_BYTES = 8 * 1024 * 1024
/** Stripe's 429 names a reason and no time. */
const DEFAULT_RETRY_AFTER_MS = 30_000

/** Unix milliseconds on whole seconds, half-open. */
export type Range = { readonly from: number; readonly to: number }

/** Stripe's lists of what moved an account's balance, and of its subscriptions. */
export class StripeClient {
  readonly #access: ProviderAccess

  constructor(access: ProviderAccess) {
    this.#access = access
  }

  /** Newest first, page by page. A page that repeats what was read, or is not of the range, is refused. */
  async *transactions(range: Range): AsyncGenerator<readonly BalanceTransaction[]> {
    const seen = new Set<string>()
    for (let after: string | undefined; ; ) {
      const query = {
        'created[gte]': String(range.from / 1000),
        ...(after === undefined ? {} : { starting_after: after }),
      }
      const { data, has_more } = await this.#page(range.to, { ...query, limit: String(MAX_PAGE_ROWS) })
      // More was announced: an empty answer is no end of the list.
      if (after !== undefined && data.length === 0) throw new ProviderFailure('provider_reply_invalid')
      for (const { id, created } of data) {
        if (seen.has(id)) throw new ProviderFailure('page_repeated')
        if (created * 1000 < range.from || created * 1000 >= range.to)
          throw new ProviderFailure('provider_reply_invalid')
        seen.add(id)
      }
      yield data
      if (!has_more) return
      const last = data.at(-1)
      if (last === undefined) throw new ProviderFailure('provider_reply_invalid')
      after = last.id
    }
  }

  /** When the last transaction before an instant was made. */
  async newestBefore(instant: number): Promise<number | undefined> {
    const { data } = await this.#page(instant, { limit: '1' })
    return data[0] === undefined ? undefined : data[0].created * 1000
  }

  /** All that there ever were, the newest first, page by page. */
  async *subscriptions(): AsyncGenerator<readonly Subscription[]> {
    const seen = new Set<string>()
    for (let after: string | undefined; ; ) {
      const query = new URLSearchParams({
        status: 'all',
        limit: String(MAX_PAGE_ROWS),
        'expand[]': SUBSCRIPTION_EXPANSION,
        ...(after === undefined ? {} : { starting_after: after }),
      })
      const { data, has_more } = await this.#get(`/v1/subscriptions?${query}`, Subscriptions)
      for (const { id } of data) {
        if (seen.has(id)) throw new ProviderFailure('page_repeated')
        seen.add(id)
      }
      yield data
      if (!has_more) return
      const last = data.at(-1)
      if (last === undefined) throw new ProviderFailure('provider_reply_invalid')
      after = last.id
    }
  }

  #page(before: number, filter: Readonly<Record<string, string>>) {
    const query = new URLSearchParams({ ...filter, 'created[lt]': String(before / 1000) })
    return this.#get(`/v1/balance_transactions?${query}`, BalanceTransactions)
  }

  async #get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    const answer = await askProvider(this.#access, {
      method: 'GET',
      path,
      headers: { 'stripe-version': STRIPE_VERSION },
      maxReplyBytes: MAX_REPLY_BYTES,
      defaultRetryAfterMs: DEFAULT_RETRY_AFTER_MS,
    })
    const parsed = schema.safeParse(answer)
    if (!parsed.success) throw new ProviderFailure('provider_reply_invalid')
    return parsed.data
  }
}
