/** What a caller must have shown before an endpoint does anything for them; each includes those before it. */
export type Demand = 'nothing' | 'session' | 'enrolment' | 'aal2' | 'fresh' | 'step-up'

/** The two agencies that the matrix is played between: what is asked for belongs to `tenantId`. */
export type Place = {
  readonly tenantId: string
  readonly siteId: string
  readonly credentialId: string
  /** A domain that mail is sent from, and the key of its account. */
  readonly mail: { readonly siteId: string; readonly credentialId: string }
  readonly memberId: string
  /** A token of the simulated provider that may do all that the matrix asks of it. */
  readonly issueToken: () => Promise<string>
  /** One more credential, for an act that ends it. */
  readonly storeAnother: () => Promise<string>
}

export type Route = {
  /** GET, when nothing is said. */
  readonly method?: 'POST' | 'DELETE'
  readonly pattern: string
  readonly demand: Demand
  readonly path: (place: Place) => string
  readonly body?: () => unknown
  /** Of the members, who may; all of them when nothing is said. */
  readonly roles?: readonly string[]
  /** Of the person who asks, whichever agency is named. */
  readonly isPersonal?: true
  /** The code that whoever may do it gets, since what is asked for is nothing that can be done. */
  readonly answers?: string
}

/**
 * Every route of the gateway's router, with what it demands. `/api/me` answers a session of somebody who has not enrolled yet, since it
 * is what tells them to; receipts and certificates are public on purpose (L2).
 */
export const ROUTES: readonly Route[] = [
  fixed('/api/config', 'nothing'),
  { ...fixed('/api/me', 'session'), isPersonal: true },
  // Whoever knows a pickup's secret may ask; what waits there is sealed, and was left by somebody at AAL2.
  { ...fixed('/api/login/collect', 'nothing'), method: 'POST', body: () => ({ pickup_secret: random32() }) },
  {
    ...fixed('/api/login/answer', 'aal2'),
    method: 'POST',
    isPersonal: true,
    body: () => ({ act: 'approve', pickup_id: random32(), sealed: 'c2VhbGVk' }),
  },
  fixed('/api/sites', 'enrolment'),
  {
    pattern: '/api/sites/:id/metrics',
    demand: 'enrolment',
    path: ({ siteId }) => `/api/sites/${siteId}/metrics?${range()}`,
  },
  {
    pattern: '/api/sites/:id/top',
    demand: 'enrolment',
    path: ({ siteId }) => `/api/sites/${siteId}/top?dimension=path&${range().replace('grain=day&', '')}`,
  },
  { pattern: '/api/sites/:id/findings', demand: 'enrolment', path: ({ siteId }) => `/api/sites/${siteId}/findings` },
  fixed('/api/credentials', 'enrolment'),
  fixed('/api/receipts', 'enrolment'),
  fixed('/api/incidents', 'enrolment'),
  fixed('/api/status', 'enrolment'),
  fixed('/api/members', 'aal2'),
  fixed('/api/dead-letters', 'aal2'),
  {
    pattern: '/api/dead-letters/:id',
    demand: 'aal2',
    // A credential's id is no dead letter's.
    answers: 'not_found',
    path: ({ credentialId }) => `/api/dead-letters/${credentialId}`,
  },
  { ...fixed('/api/sessions', 'aal2'), isPersonal: true },
  // Neither ends a session: the visitors have need of theirs.
  {
    method: 'DELETE',
    pattern: '/api/sessions',
    demand: 'aal2',
    path: () => '/api/sessions?which=none',
    isPersonal: true,
    answers: 'query_invalid',
  },
  {
    method: 'DELETE',
    pattern: '/api/sessions/:id',
    demand: 'aal2',
    path: ({ siteId }) => `/api/sessions/${siteId}`,
    isPersonal: true,
  },
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
  // A signature is all that counts there, and no session makes one.
  {
    pattern: '/webhooks/:provider/:endpoint',
    demand: 'nothing',
    method: 'POST',
    answers: 'webhook_refused',
    path: () => `/webhooks/stripe/${'A'.repeat(22)}`,
  },
  fixed('/.well-known/log-keys.txt', 'nothing'),
  fixed('/.well-known/security.txt', 'nothing'),
  fixed('/security-policy', 'nothing'),
]

const DAY_MS = 86_400_000

function fixed(path: string, demand: Demand): Route {
  return { pattern: path, demand, path: () => path }
}

function random32(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
}

function range(): string {
  const today = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS)
  return new URLSearchParams({
    grain: 'day',
    from: new Date(today.getTime() - 7 * DAY_MS).toISOString(),
    to: today.toISOString(),
  }).toString()
}
