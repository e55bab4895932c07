import type { Provider } from '../contracts/providers.ts'
import { cloudflare } from './cloudflare/provider.ts'
import type { ProviderEntry } from './provider.ts'
import { resend } from './resend/provider.ts'
import { stripe } from './stripe/provider.ts'
import { supabase } from './supabase/provider.ts'

/** Every provider that a key may be stored for: one line each, see docs/add-a-provider.md. */
export const PROVIDERS = { cloudflare, stripe, resend, supabase } as const satisfies {
  readonly [Name in Provider]: ProviderEntry
}

/** Where each provider is asked: the real address, or a simulator's. */
export type ApiUrls = { readonly [Variable in (typeof PROVIDERS)[Provider]['apiUrlVariable']]: string }

/** Without a slash at its end. */
export function apiUrlOf(urls: ApiUrls, provider: Provider): string {
  return urls[PROVIDERS[provider].apiUrlVariable].replace(/\/$/, '')
}
