import type { Provider } from '../../../domain/contracts/providers.ts'
import { cloudflareHistory, pollCloudflare } from './cloudflare.ts'
import type { Connector } from './provider.ts'
import { pollResend, resendHistory } from './resend.ts'
import { pollStripe, stripeHistory } from './stripe.ts'
import { pollSupabase } from './supabase.ts'

/** How each provider's figures are read: one line each, see docs/add-a-provider.md. */
export const CONNECTORS: { readonly [Name in Provider]: Connector } = {
  cloudflare: { poll: pollCloudflare, history: cloudflareHistory },
  resend: { poll: pollResend, history: resendHistory },
  stripe: { poll: pollStripe, history: stripeHistory },
  supabase: { poll: pollSupabase, history: null },
}
