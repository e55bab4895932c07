import type { Grading } from './grade.ts'

/** What the product has to know of a provider before it is asked anything. */
export type ProviderEntry = {
  /** As people call it. */
  readonly label: string
  /** The real one. A simulator is another address in the same variable. */
  readonly apiUrl: string
  readonly apiUrlVariable: `${string}_API_URL`
  /** What one credential may call. */
  readonly quota: Quota
  /** What a poll needs of half of that quota for each site: a key with many is polled less often. SQL has the same figures. */
  readonly secondsPerSite: number
  readonly grading: Grading
}

/** At most `calls` in any burst, and `calls` in each window on average. */
export type Quota = { readonly calls: number; readonly windowMs: number }
