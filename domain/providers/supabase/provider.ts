import type { ProviderEntry } from '../provider.ts'
import { supabaseGrading } from './grading.ts'

export const supabase = {
  label: 'Supabase',
  apiUrl: 'https://api.supabase.com',
  // Hosted functions may not have variables that begin with SUPABASE_.
  apiUrlVariable: 'CLIENT_SUPABASE_API_URL',
  // Half of what Supabase gives a user for each project, for all projects of a token together.
  quota: { calls: 300, windowMs: 300_000 },
  // Two queries of the database, and two more an hour.
  secondsPerSite: 5,
  grading: supabaseGrading,
} as const satisfies ProviderEntry
