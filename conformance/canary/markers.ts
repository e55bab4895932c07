import { randomBytes, randomUUID } from 'node:crypto'
import type { Answer, Person } from '../person.ts'
import type { RunFile } from '../run-file.ts'
import type { KnownSecret } from './scanner.ts'
import { secret } from './secrets.ts'
import type { Sessions } from './sessions.ts'
import type { Item } from './sweep.ts'

export type Marked = { readonly secrets: KnownSecret[]; readonly answers: Item[] }

/**
 * Sends secrets of its own down every path that must refuse them: nothing of them may be kept, logged or echoed. What is
 * accepted and stored is covered by the demo's own token.
 */
export async function sendMarkers(run: RunFile, { aal2, tenantId }: Sessions): Promise<Marked> {
  const random = (prefix: string) => prefix + randomBytes(30).toString('base64url')
  const markers = {
    'malformed token': `${random('canary marker ')}"\\`,
    'global key': random('cfk_'),
    'legacy global key': randomBytes(19).toString('hex').slice(0, 37),
    'rejected token': random('cfut_'),
    'Stripe secret key': `sk_live_${randomBytes(40).toString('hex')}`,
    'rejected Stripe key': `rk_live_${randomBytes(40).toString('hex')}`,
    'unknown field': random('canary-field-'),
    'unusable header': random('canary-step-up-'),
    'wrong bearer': random('canary-bearer-'),
    'webhook body': random('canary-webhook-'),
    'signing secret': `whsec_${randomBytes(40).toString('hex')}`,
    'malformed signing secret': random('canary marker whsec '),
  }
  const store = (secret: string, headers = {}, provider = 'cloudflare') =>
    storeMarker(aal2, { tenant_id: tenantId, provider, secret }, headers)
  const storeSigning = (secret: string) => storeSigningMarker(aal2, { tenant_id: tenantId, provider: 'stripe', secret })
  const answers: [string, Answer | Response][] = [
    ['malformed token', await store(markers['malformed token'])],
    ['global key', await store(markers['global key'])],
    ['legacy global key', await store(markers['legacy global key'])],
    ['rejected token', await store(markers['rejected token'])],
    ['Stripe secret key', await store(markers['Stripe secret key'], {}, 'stripe')],
    ['rejected Stripe key', await store(markers['rejected Stripe key'], {}, 'stripe')],
    ['signing secret', await storeSigning(markers['signing secret'])],
    ['malformed signing secret', await storeSigning(markers['malformed signing secret'])],
    ['unusable header', await store(random('cfut_'), { 'flarewatch-step-up': markers['unusable header'] })],
    ['unknown field', await aal2.call('tenant-create', { tenant_id: randomUUID(), [markers['unknown field']]: 1 })],
    ...(await sendToGateway(run, markers)),
  ]
  return {
    secrets: Object.entries(markers).map(([name, text]) => secret(`marker: ${name}`, text)),
    answers: await Promise.all(answers.map(([name, answer]) => itemOf(name, answer))),
  }
}

type Marker = { readonly tenant_id: string; readonly provider: string; readonly secret: string }

/** A step-up token of the right look: a token is judged by shape and by the provider before the vault is asked. */
function storeMarker(person: Person, marker: Marker, headers: Record<string, string>): Promise<Answer> {
  const body = { ...marker, credential_id: randomUUID(), label: 'canary' }
  return person.call('credential-store', body, { 'flarewatch-step-up': `fwsu_${randomUUID()}`, ...headers })
}

/** For an account that is none: neither the secret nor an address for it is kept. */
function storeSigningMarker(person: Person, marker: Marker): Promise<Answer> {
  const [credential_id, webhook_of, endpoint_id] = [randomUUID(), randomUUID(), randomBytes(16).toString('base64url')]
  const body = { ...marker, credential_id, webhook_of, endpoint_id, label: 'canary' }
  return person.call('webhook-store', body, { 'flarewatch-step-up': `fwsu_${randomUUID()}` })
}

async function sendToGateway(run: RunFile, markers: Record<'wrong bearer' | 'webhook body', string>) {
  const authorization = `Bearer ${markers['wrong bearer']}`
  const webhook = new URL('/webhooks/cloudflare/canary', run.gateway_url)
  return [
    ['wrong bearer', await fetch(new URL('/api/me', run.gateway_url), { headers: { authorization } })],
    ['wrong bearer', await fetch(`${run.functions_url}/step-up`, { method: 'POST', headers: { authorization } })],
    ['webhook body', await fetch(webhook, { method: 'POST', body: markers['webhook body'] })],
  ] satisfies [string, Response][]
}

async function itemOf(name: string, answer: Answer | Response): Promise<Item> {
  const text = answer instanceof Response ? await answer.text() : answer.text
  return { place: 'answers to markers', location: name, chunks: [Buffer.from(text)] }
}
