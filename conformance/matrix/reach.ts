import { mintStepUp } from '../agency.ts'
import type { Person } from '../person.ts'
import type { RunFile } from '../run-file.ts'
import type { Cell } from './document.ts'
import { FUNCTIONS, type FunctionCall, type PrivilegedFunction } from './functions.ts'
import { type Demand, ROUTES, type Route } from './routes.ts'
import type { Scene, Visitor } from './visitors.ts'

/** T1 and T4 at every address: what each visitor is answered, beside what they should be. */
export async function playEndpoints(run: RunFile, scene: Scene): Promise<Cell[]> {
  const cells: Cell[] = []
  for (const route of ROUTES) {
    for (const visitor of scene.visitors) cells.push(await playRoute(run, scene, route, visitor))
  }
  for (const called of FUNCTIONS) {
    for (const visitor of scene.visitors) cells.push(...(await playFunction(run, scene, called, visitor)))
  }
  return cells
}

const ORDER: readonly Demand[] = ['nothing', 'session', 'enrolment', 'aal2', 'fresh', 'step-up']
const ANSWERED = 'answered'
/** Resend's: five requests a second. */
const PROVIDER_WINDOW_MS = 1000
/** So that it is the session which is refused, and not a token that is missing. */
const SOME_TOKEN = { 'flarewatch-step-up': `fwsu_${'A'.repeat(43)}` }

function falls(visitor: Visitor, demand: Demand): boolean {
  return ORDER.indexOf(visitor.shows) < ORDER.indexOf(demand)
}

async function playRoute(run: RunFile, scene: Scene, route: Route, visitor: Visitor): Promise<Cell> {
  const headers = { ...(await bearer(visitor)), 'flarewatch-tenant': scene.place.tenantId }
  const { method = 'GET', answers, body } = route
  const sent = body === undefined ? {} : { body: JSON.stringify(body()) }
  const response = await fetch(run.gateway_url + route.path(scene.place), { method, headers, ...sent })
  return {
    what: `${method} ${route.pattern}`,
    who: visitor.name,
    expected: expectedOfRoute(route, visitor),
    actual: await outcomeOf(response, answers),
  }
}

function expectedOfRoute({ demand, roles, isPersonal }: Route, visitor: Visitor): string {
  if (demand === 'nothing') return ANSWERED
  if (visitor.shows === 'nothing') return 'unauthenticated'
  if (visitor.hasEnded) return 'session_ended'
  if (falls(visitor, demand)) return demand === 'enrolment' ? 'totp_enrolment_required' : 'aal2_required'
  if (isPersonal) return ANSWERED
  if (visitor.role === 'outsider') return 'not_a_member'
  return roles?.includes(visitor.role) === false ? 'role_insufficient' : ANSWERED
}

type Token = 'no token' | 'for another act' | 'right token'

async function playFunction(run: RunFile, scene: Scene, called: PrivilegedFunction, visitor: Visitor): Promise<Cell[]> {
  const tries: Token[] =
    called.action !== null && mayMint(called, visitor) ? ['no token', 'for another act', 'right token'] : ['no token']
  const cells: Cell[] = []
  for (const token of tries) {
    cells.push({
      what: `POST ${[called.name, called.act].filter(Boolean).join(' ')}, ${called.action === null ? 'no token needed' : token}`,
      who: visitor.name,
      expected: expectedOfFunction(called, visitor, token),
      actual: await answerOf(run, scene, called, { visitor, token }),
    })
  }
  return cells
}

type Attempt = { readonly visitor: Visitor; readonly token: Token }

/** Asked again, with a permission of its own, where the provider's limit of a second was met: that says nothing of who may ask. */
async function answerOf(run: RunFile, scene: Scene, called: PrivilegedFunction, attempt: Attempt): Promise<string> {
  for (;;) {
    const answer = await outcomeOf(await ask(run, scene, called, attempt), called.answers)
    if (answer !== 'provider_rate_limited') return answer
    await new Promise((passed) => setTimeout(passed, PROVIDER_WINDOW_MS))
  }
}

async function ask(
  run: RunFile,
  scene: Scene,
  called: PrivilegedFunction,
  { visitor, token }: Attempt,
): Promise<Response> {
  const call = await called.call(scene.place)
  const stepUp =
    token === 'no token' ? withoutToken(visitor) : await stepUpFor(called, visitor, call, scene.place.tenantId, token)
  return fetch(`${run.functions_url}/${called.name}`, {
    method: 'POST',
    headers: {
      ...(await bearer(visitor)),
      apikey: run.publishable_key,
      'content-type': 'application/json',
      'idempotency-key': crypto.randomUUID(),
      ...stepUp,
    },
    body: JSON.stringify(call.body),
  })
}

function withoutToken({ hasEnded }: Visitor): Record<string, string> {
  return hasEnded ? SOME_TOKEN : {}
}

function mayMint({ roles }: PrivilegedFunction, { shows, role, hasEnded }: Visitor): boolean {
  return shows === 'fresh' && !hasEnded && roles.includes(role)
}

function expectedOfFunction(called: PrivilegedFunction, visitor: Visitor, token: string): string {
  if (visitor.shows === 'nothing') return 'user_token_invalid'
  if (visitor.hasEnded) return 'session_ended'
  if (called.demand !== 'session' && falls(visitor, 'aal2')) return 'aal2_required'
  if (visitor.shows === 'aal2' && falls(visitor, called.demand)) return 'aal2_stale'
  if (called.action !== null && token === 'no token') return 'step_up_required'
  if (!called.roles.includes(visitor.role)) return visitor.role === 'outsider' ? 'not_a_member' : 'role_insufficient'
  return token === 'for another act' ? 'step_up_invalid' : ANSWERED
}

async function stepUpFor(
  called: PrivilegedFunction,
  { person }: Visitor,
  { body, digested = body, targetId }: FunctionCall,
  tenantId: string,
  token: Exclude<Token, 'no token'>,
): Promise<Record<string, string>> {
  if (person === null || called.action === null) return {}
  const action = token === 'right token' ? called.action : otherThan(called.action)
  const request = { ...digested, tenant_id: tenantId }
  return { 'flarewatch-step-up': await mintStepUp(person, { action, target_id: targetId }, request) }
}

/** Another act that the same roles may do: it is the token that has to be refused, not the minting. */
function otherThan(action: string): string {
  return action === 'credential.store' ? 'credential.rotate' : 'credential.store'
}

async function bearer({ person }: { readonly person: Person | null }): Promise<Record<string, string>> {
  return person === null ? {} : { authorization: `Bearer ${await person.token()}` }
}

/** A receipt or certificate that is not there yet is an answer: nobody was kept from it. */
async function outcomeOf(response: Response, missing?: string): Promise<string> {
  const text = await response.text()
  if (response.ok) return ANSWERED
  const code = /"code":"([a-z0-9_]+)"/.exec(text)?.[1] ?? `status ${response.status}`
  return code === missing || code === 'not_found' || code === 'not_signed_yet' ? ANSWERED : code
}
