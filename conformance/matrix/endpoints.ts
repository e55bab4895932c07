import { randomUUID } from 'node:crypto'
import type { StepUpAction } from '../../domain/contracts/step-up.ts'

/** What a caller must have shown before an endpoint does anything for them; each includes those before it. */
export type Demand = 'nothing' | 'session' | 'enrolment' | 'aal2' | 'fresh' | 'step-up'

/** The two agencies that the matrix is played between: what is asked for belongs to `tenantId`. */
export type Place = {
  readonly tenantId: string
  readonly siteId: string
  readonly issueToken: () => Promise<string>
}

export type Route = {
  readonly pattern: string
  readonly demand: Demand
  readonly path: (place: Place) => string
  /** Of the members, who may; all of them when nothing is said. */
  readonly roles?: readonly string[]
}

/**
 * Every route of the gateway's router, with what it demands. `/api/me` answers a session of somebody who has not enrolled yet, since it
 * is what tells them to; receipts and certificates are public on purpose (L2).
 */
export const ROUTES: readonly Route[] = [
  fixed('/api/config', 'nothing'),
  fixed('/api/me', 'session'),
  fixed('/api/sites', 'enrolment'),
  {
    pattern: '/api/sites/:id/metrics',
    demand: 'enrolment',
    path: ({ siteId }) => `/api/sites/${siteId}/metrics?${range()}`,
  },
  fixed('/api/credentials', 'enrolment'),
  fixed('/api/receipts', 'enrolment'),
  fixed('/api/incidents', 'enrolment'),
  fixed('/api/status', 'enrolment'),
  fixed('/api/audit', 'aal2'),
  { ...fixed('/api/audit/export', 'aal2'), roles: ['owner', 'operator'] },
  { pattern: '/api/audit/rows/:row/proof', demand: 'aal2', path: () => '/api/audit/rows/1/proof' },
  { pattern: '/receipts/:log', demand: 'nothing', path: ({ tenantId }) => `/receipts/${tenantId}` },
  { pattern: '/receipts/:log/shredding', demand: 'nothing', path: ({ tenantId }) => `/receipts/${tenantId}/shredding` },
  { pattern: '/receipts/:log/epochs', demand: 'nothing', path: ({ tenantId }) => `/receipts/${tenantId}/epochs` },
  {
    pattern: '/receipts/:log/epochs/:epoch',
    demand: 'nothing',
    path: ({ tenantId }) => `/receipts/${tenantId}/epochs/202001`,
  },
  { pattern: '/receipts/:log/:size', demand: 'nothing', path: ({ tenantId }) => `/receipts/${tenantId}/1` },
  { pattern: '/receipts/:log/:from/:to', demand: 'nothing', path: ({ tenantId }) => `/receipts/${tenantId}/1/2` },
  fixed('/.well-known/log-keys.txt', 'nothing'),
  fixed('/.well-known/security.txt', 'nothing'),
  fixed('/security-policy', 'nothing'),
]

export type FunctionCall = { readonly body: Record<string, unknown>; readonly targetId: string }
export type PrivilegedFunction = {
  readonly name: string
  readonly demand: Demand
  /** The act whose token it takes, and whose roles may call it. */
  readonly action: StepUpAction | null
  readonly roles: readonly string[]
  readonly call: (place: Place) => Promise<FunctionCall>
}

const DAY_MS = 86_400_000

function fixed(path: string, demand: Demand): Route {
  return { pattern: path, demand, path: () => path }
}

function range(): string {
  const today = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS)
  return new URLSearchParams({
    grain: 'day',
    from: new Date(today.getTime() - 7 * DAY_MS).toISOString(),
    to: today.toISOString(),
  }).toString()
}

/** Every function of the manifest, with a request that is right for the tenant that it names. */
export const FUNCTIONS: readonly PrivilegedFunction[] = [
  {
    // Whoever asks becomes the owner of what is new: no role can be lacking, and no tenant of others is named.
    name: 'tenant-create',
    demand: 'aal2',
    action: null,
    roles: ['owner', 'operator', 'viewer', 'outsider'],
    call: async () => {
      const id = randomUUID()
      return { targetId: id, body: { tenant_id: id, name: 'Founded by the matrix' } }
    },
  },
  {
    name: 'step-up',
    demand: 'fresh',
    action: null,
    roles: ['owner', 'operator'],
    call: async ({ tenantId }) => {
      const id = randomUUID()
      const asked = { tenant_id: tenantId, action: 'credential.store', target_id: id, request_digest: 'A'.repeat(43) }
      return { targetId: id, body: asked }
    },
  },
  {
    name: 'credential-store',
    demand: 'step-up',
    action: 'credential.store',
    roles: ['owner', 'operator'],
    call: async ({ tenantId, issueToken }) => {
      const id = randomUUID()
      const secret = await issueToken()
      const body = { tenant_id: tenantId, credential_id: id, provider: 'cloudflare', label: 'By the matrix', secret }
      return { targetId: id, body }
    },
  },
]
