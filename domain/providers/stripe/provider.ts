import type { ProviderEntry } from '../provider.ts'
import { stripeGrading } from './grading.ts'

export const stripe = {
  label: 'Stripe',
  apiUrl: 'https://api.stripe.com',
  apiUrlVariable: 'STRIPE_API_URL',
  // Below the 25 a second of one endpoint: pages are asked for one after another, and a minute's worth may come at once.
  quota: { calls: 1000, windowMs: 60_000 },
  // A key is of one account.
  secondsPerSite: 0,
  grading: stripeGrading,
} as const satisfies ProviderEntry
