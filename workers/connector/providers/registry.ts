import type { Provider } from '../../../domain/contracts/providers.ts'
import { pollCloudflare } from './cloudflare.ts'
import { listZones } from './cloudflare-zones.ts'
import type { Connector, SiteLister } from './provider.ts'
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

/** How it is asked again which sites a key reaches; the others' runs list them anyway, or have one alone. */
export const SITE_LISTS: { readonly [Name in Provider]?: SiteLister } = { cloudflare: listZones }
