import type { Provider } from '../../../domain/contracts/providers.ts'
import type { Open } from '../books.ts'
import { openCloudflare } from './cloudflare.ts'
import { openResend } from './resend.ts'
import { openStripe } from './stripe.ts'
import { openSupabase } from './supabase.ts'

/** One line a provider: its simulator, the keys that an agency holds of it, and its books. */
export const PROVIDER_BOOKS: { readonly [Name in Provider]: Open } = {
  cloudflare: openCloudflare,
  resend: openResend,
  stripe: openStripe,
  supabase: openSupabase,
}
