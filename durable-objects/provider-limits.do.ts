/**
 * ProviderLimits: how often a provider may still be called with one credential, whichever Worker calls.
 *
 * Key: the credential id.
 * Invariant: at most the quota's `calls` in any burst and in each of its windows on average; nothing before `blocked_until`.
 * The bucket refills continuously, so a window's edge cannot double the rate.
 * Atomic because: read, refill and write run in one synchronous turn of the object.
 */
import { DurableObject } from 'cloudflare:workers'
import type { ProviderLimitsApi } from '../domain/contracts/durable-objects.ts'
import { CallBudget } from './call-budget.ts'

export class ProviderLimits extends DurableObject<unknown> implements ProviderLimitsApi {
  readonly #budget: CallBudget

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#budget = new CallBudget(context.storage.sql)
  }

  async acquire(request: Parameters<ProviderLimitsApi['acquire']>[0]) {
    return this.#budget.acquire(request)
  }

  async blockUntil(request: Parameters<ProviderLimitsApi['blockUntil']>[0]): Promise<void> {
    this.#budget.blockUntil(request)
  }
}
