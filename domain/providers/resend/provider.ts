import type { ProviderEntry } from '../provider.ts'
import { resendGrading } from './grading.ts'

export const resend = {
  label: 'Resend',
  apiUrl: 'https://api.resend.com',
  apiUrlVariable: 'RESEND_API_URL',
  // A fifth of the team's limit on average: its site's own mail counts too. Within a second the client keeps to Resend's headers.
  quota: { calls: 300, windowMs: 300_000 },
  // Domains are asked about together.
  secondsPerSite: 0,
  grading: resendGrading,
} as const satisfies ProviderEntry
