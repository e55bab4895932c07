import type { Provider } from '../../../domain/contracts/providers.ts'
import { cloudflareHistory, pollCloudflare } from './cloudflare.ts'
import { listZones } from './cloudflare-zones.ts'
import type { Connector, SiteLister } from './provider.ts'
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

/** How it is asked again which sites a key reaches; the others' runs list them anyway, or have one alone. */
export const SITE_LISTS: { readonly [Name in Provider]?: SiteLister } = { cloudflare: listZones }
