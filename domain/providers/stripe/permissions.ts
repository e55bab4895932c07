import type { ProviderAnswer } from '../grade.ts'
import { ApiFailure } from './schemas.ts'

/**
 * One kind of object that a restricted key may be allowed to write, with an object that cannot exist. Updating it changes nothing whatever
 * the key may do: Stripe judges the key first and looks for the object then.
 */
export type WriteProbe = { readonly resource: string; readonly path: string }

const NOBODY = 'flarewatchprobe'
const probe = (resource: string, list: string, prefix: string): WriteProbe => ({
  resource,
  path: `/v1/${list}/${prefix}_${NOBODY}`,
})

export const WRITE_PROBES: readonly WriteProbe[] = [
  probe('Charges', 'charges', 'ch'),
  probe('Customers', 'customers', 'cus'),
  probe('Disputes', 'disputes', 'dp'),
  probe('PaymentIntents', 'payment_intents', 'pi'),
  probe('Payment methods', 'payment_methods', 'pm'),
  probe('Payouts', 'payouts', 'po'),
  probe('Products', 'products', 'prod'),
  probe('Refunds', 'refunds', 're'),
  probe('SetupIntents', 'setup_intents', 'seti'),
  probe('Checkout Sessions', 'checkout/sessions', 'cs'),
  probe('Coupons', 'coupons', 'co'),
  probe('Credit notes', 'credit_notes', 'cn'),
  probe('Invoices', 'invoices', 'in'),
  probe('Prices', 'prices', 'price'),
  probe('Promotion codes', 'promotion_codes', 'promo'),
  probe('Quotes', 'quotes', 'qt'),
  probe('Subscriptions', 'subscriptions', 'sub'),
  probe('Tax rates', 'tax_rates', 'txr'),
  probe('Payment Links', 'payment_links', 'plink'),
  probe('Top-ups', 'topups', 'tu'),
  probe('Transfers', 'transfers', 'tr'),
  probe('Webhook Endpoints', 'webhook_endpoints', 'we'),
]

export type Permission = 'refused' | 'granted' | 'unclear'

/** Stripe has worded it in two ways over the years; both name what is missing. */
const MISSING = /does not have the required permissions for this endpoint/
const NAMED = /\('?(?:rak_)?([a-z_]+_(?:read|write))'?\)|'(?:rak_)?([a-z_]+_(?:read|write))'/
const ACCOUNT = /on account '(acct_[A-Za-z0-9]{1,64})'/

/** What the answer to an update of nothing says about the key. */
export function judgeWrite({ status, value }: ProviderAnswer): Permission {
  if (isPermissionError({ status, value })) return 'refused'
  const code = ApiFailure.safeParse(value).data?.error.code
  // A 404 alone may be an address that Stripe no longer has.
  return code === 'resource_missing' || (status === 200 && value !== undefined) ? 'granted' : 'unclear'
}

/** A 403, or an invalid request: what it says counts. */
export function isPermissionError({ status, value }: ProviderAnswer): boolean {
  return status >= 400 && status < 500 && MISSING.test(messageOf(value))
}

/** The permission's own name, such as `balance_read`, where the refusal says it. */
export function namedPermission({ value }: ProviderAnswer): string | undefined {
  const found = NAMED.exec(messageOf(value))
  return found?.[1] ?? found?.[2]
}

/** Whose key it is, which a refusal says too. */
export function namedAccount({ value }: ProviderAnswer): string | undefined {
  return ACCOUNT.exec(messageOf(value))?.[1]
}

function messageOf(value: unknown): string {
  return ApiFailure.safeParse(value).data?.error.message ?? ''
}
