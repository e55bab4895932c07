import type { Provider } from '../../../domain/contracts/providers.ts'
import { pollCloudflare } from './cloudflare.ts'
import type { Connector } from './provider.ts'
import { pollResend } from './resend.ts'
import { pollStripe } from './stripe.ts'
import { pollSupabase } from './supabase.ts'

/** How each provider's figures are read: one line each, see docs/add-a-provider.md. */
export const CONNECTORS: { readonly [Name in Provider]: Connector } = {
  cloudflare: pollCloudflare,
  resend: pollResend,
  stripe: pollStripe,
  supabase: pollSupabase,
}
