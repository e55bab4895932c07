import { z } from 'zod'

/** Pinned: what an answer looks like changes with it and with nothing else. */
export const STRIPE_VERSION = '2026-07-29.dahlia'
export const MAX_PAGE_ROWS = 100

const seconds = z.int().min(0).max(253_402_300_799)

/** `GET /v1/account`: the key's own account. Unknown members are ignored. */
export const Account = z.object({
  id: z.string().regex(/^acct_[A-Za-z0-9]{1,64}$/),
  settings: z
    .object({
      dashboard: z
        .object({ display_name: z.string().max(253).nullish(), timezone: z.string().max(64).nullish() })
        .nullish(),
    })
    .nullish(),
})
export type Account = z.infer<typeof Account>

/** One movement of an account's balance. Amounts are in the currency's smallest unit; `net` = `amount` - `fee`. */
export const BalanceTransaction = z.object({
  id: z.string().regex(/^txn_[A-Za-z0-9]{1,64}$/),
  amount: z.int(),
  fee: z.int(),
  net: z.int(),
  currency: z.string().regex(/^[a-z]{3}$/),
  created: seconds,
  /** Stripe's own grouping of what `type` says, see docs.stripe.com/reports/reporting-categories. */
  reporting_category: z.string().min(1).max(64),
})
export type BalanceTransaction = z.infer<typeof BalanceTransaction>

/** `GET /v1/balance_transactions`: the newest first. */
export const BalanceTransactions = z.object({
  object: z.literal('list'),
  data: z.array(BalanceTransaction).max(MAX_PAGE_ROWS),
  has_more: z.boolean(),
})

export const ApiFailure = z.object({
  error: z.object({
    type: z.string().max(64),
    code: z.string().max(64).optional(),
    message: z.string().max(2048).optional(),
  }),
})
