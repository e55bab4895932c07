import { z } from 'zod'
import type { ConnectorDoorApi } from '../../domain/contracts/connector-door.ts'
import type { ProviderLimitsApi } from '../../domain/contracts/durable-objects.ts'
import { durableObjects, embeddedOnly, httpUrl, hyperdrive, service } from '../runtime/bindings.ts'

export const Bindings = z.object({
  DB: hyperdrive,
  VAULT: service<ConnectorDoorApi>(),
  PROVIDER_LIMITS: durableObjects<ProviderLimitsApi>(),
  CLOUDFLARE_API_URL: httpUrl,
  RESEND_API_URL: httpUrl,
  CLIENT_SUPABASE_API_URL: httpUrl,
  STRIPE_API_URL: httpUrl,
  ...embeddedOnly,
})
export type Bindings = z.output<typeof Bindings>
