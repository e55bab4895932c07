import { z } from 'zod'

export const Tier = z.enum(['free', 'pro', 'agency'])
export type Tier = z.infer<typeof Tier>

/** How often each of a tenant's credentials is polled, at most; SQL has the same figures and is tested against them. */
export const POLL_SECONDS = { free: 300, pro: 120, agency: 60 } as const satisfies Record<Tier, number>
