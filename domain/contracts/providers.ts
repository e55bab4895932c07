import { z } from 'zod'

/** Those that a key may be stored for: each has a line in the registries of gradings, connectors and simulators. */
export const Provider = z.enum(['cloudflare', 'stripe', 'resend', 'supabase'])
export type Provider = z.infer<typeof Provider>
