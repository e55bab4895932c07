import { z } from 'zod'
import type { LoginAnswersApi } from '../../domain/contracts/device-login.ts'
import type { GatewayDoorApi } from '../../domain/contracts/gateway-door.ts'
import type { EventMessage } from '../../domain/contracts/queues.ts'
import {
  bucket,
  durableObjects,
  embeddedOnly,
  fetcher,
  httpUrl,
  hyperdrive,
  queue,
  service,
} from '../runtime/bindings.ts'

/** A signed-note verifier key: `name+hash+key`. */
const VerifierKey = z.string().regex(/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/)

export const Bindings = z.object({
  DB: hyperdrive,
  VAULT: service<GatewayDoorApi>(),
  LOGIN_ANSWERS: durableObjects<LoginAnswersApi>(),
  INGEST: queue<EventMessage>(),
  RECEIPTS: bucket,
  ASSETS: fetcher,
  AUTH_ISSUER: httpUrl,
  AUTH_JWKS_URL: httpUrl,
  SUPABASE_URL: httpUrl,
  PUBLISHABLE_KEY: z.string().min(1),
  LOG_VKEY: VerifierKey,
  ...embeddedOnly,
})
export type Bindings = z.output<typeof Bindings>
