import type { ProviderEntry } from '../provider.ts'
import { cloudflareGrading } from './grading.ts'

export const cloudflare = {
  label: 'Cloudflare',
  apiUrl: 'https://api.cloudflare.com/client/v4',
  apiUrlVariable: 'CLOUDFLARE_API_URL',
  // The GraphQL limit of one user.
  quota: { calls: 300, windowMs: 300_000 },
  // Two queries, and now and then one of the hour or the day.
  secondsPerSite: 5,
  grading: cloudflareGrading,
} as const satisfies ProviderEntry
