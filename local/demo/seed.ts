import { setTimeout as wait } from 'node:timers/promises'
import { createClient, FunctionsHttpError, type Session, type SupabaseClient } from '@supabase/supabase-js'
import { CredentialsResponse, ErrorBody, TENANT_HEADER } from '../../domain/contracts/api.ts'
import { STEP_UP_HEADER } from '../../domain/contracts/edge-door.ts'
import { CredentialStore, IDEMPOTENCY_HEADER, StepUp, TenantCreate } from '../../domain/contracts/functions.ts'
import type { Provider } from '../../domain/contracts/providers.ts'
import { requestDigest } from '../../domain/contracts/request-digest.ts'
import type { Progress } from '../supervisor/progress.ts'
import { enterCode, signIn, totpAge } from './session.ts'
import { openState, type StateFile } from './state.ts'

export type SeedOptions = {
  readonly supabaseUrl: string
  readonly publishableKey: string
  readonly gatewayUrl: string
  /** A read-only key of a simulated provider, made when one is needed. */
  readonly issueKey: (provider: Provider) => string
  readonly dir: string
  readonly progress: Pick<Progress, 'say'>
}

export type Demo = {
  readonly email: string
  readonly password: string
  readonly totp_secret: string
  readonly tenant_id: string
  readonly credential_id: string
}

const AGENCY = 'Demo agency'
/** Below A3's 300 s by enough for the calls that follow. */
const FRESH_SECONDS = 240
/** A3: within 90 s one session per user may claim freshness. */
const WINDOW_MS = 91_000
const CALL_TIMEOUT_MS = 45_000

/** Seeds the demo by the calls that a user's browser makes, and nothing else. Each step is found done, or done, so a kill costs only time. */
export async function seedDemo(options: SeedOptions): Promise<Demo> {
  const state = openState(options.dir)
  const client = createClient(options.supabaseUrl, options.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  })
  const seeding: Seeding = { options, state, client }
  const session = await signIn(client, state)
  if (state.current.progress === 'begun') advance(seeding, 'enrolled', 'signed up, TOTP enrolled, AAL2')
  if (state.current.progress === 'enrolled') {
    await createTenant(seeding)
    advance(seeding, 'tenant', `tenant "${AGENCY}" is active`)
  }
  if (state.current.progress === 'tenant') {
    for (const credential of credentialsOf(state)) {
      if (await isStored(seeding, session, credential)) continue
      await whenFresh(seeding, () => storeCredential(seeding, credential))
    }
    advance(seeding, 'stored', 'credentials checked at their providers, sealed and stored')
  }
  return demoOf(state)
}

type Credential = { readonly id: string; readonly provider: Provider; readonly label: string }

function credentialsOf({ current }: StateFile): readonly Credential[] {
  return [
    { id: current.credential_id, provider: 'cloudflare', label: 'Cloudflare, read-only' },
    { id: current.stripe_credential_id, provider: 'stripe', label: 'Stripe, read-only' },
  ]
}

type Seeding = { readonly options: SeedOptions; readonly state: StateFile; readonly client: SupabaseClient }

function advance({ options, state }: Seeding, progress: 'enrolled' | 'tenant' | 'stored', said: string): void {
  state.update({ progress })
  options.progress.say(`  seed: ${said}`)
}

async function createTenant({ client, state }: Seeding): Promise<void> {
  const body = { tenant_id: state.current.tenant_id, name: AGENCY }
  TenantCreate.response.parse(await invoke(client, 'tenant-create', body))
}

/** A kill between the store and its note in the state file leaves the credential stored: the product is asked. */
async function isStored({ options, state }: Seeding, session: Session, { id }: Credential): Promise<boolean> {
  const response = await fetch(new URL('/api/credentials', options.gatewayUrl), {
    headers: { authorization: `Bearer ${session.access_token}`, [TENANT_HEADER]: state.current.tenant_id },
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`/api/credentials answered ${response.status}`)
  const { credentials } = CredentialsResponse.parse(await response.json())
  return credentials.some((stored) => stored.id === id)
}

async function storeCredential({ client, options, state }: Seeding, credential: Credential): Promise<void> {
  const { tenant_id } = state.current
  const { id: credential_id, provider, label } = credential
  const body = { tenant_id, credential_id, provider, label, secret: options.issueKey(provider) }
  const action = 'credential.store'
  const request = { tenant_id, action, target_id: credential_id, request_digest: await requestDigest(action, body) }
  const { token } = StepUp.response.parse(await invoke(client, 'step-up', request))
  const headers = { [IDEMPOTENCY_HEADER]: crypto.randomUUID(), [STEP_UP_HEADER]: token }
  CredentialStore.response.parse(await invoke(client, 'credential-store', body, headers))
}

/** Acts with a fresh TOTP. If another session of this user claimed freshness in the last 90 s, waits as a person would have to. */
async function whenFresh({ client, state, options }: Seeding, act: () => Promise<void>): Promise<void> {
  const { data } = await client.auth.getSession()
  if (data.session === null || totpAge(data.session, Date.now()) > FRESH_SECONDS) await enterCode(client, state)
  try {
    await act()
  } catch (error) {
    if (!(error instanceof CallRefused) || !['freshness_claimed', 'aal2_stale'].includes(error.code)) throw error
    if (error.code === 'freshness_claimed') {
      options.progress.say('  seed: an earlier session used a code within 90 s; waiting until a new one counts')
      await wait(WINDOW_MS)
    }
    await enterCode(client, state)
    await act()
  }
}

class CallRefused extends Error {
  readonly code: string
  constructor(name: string, code: string, message: string) {
    super(`${name}: ${code}: ${message}`)
    this.code = code
  }
}

async function invoke(
  client: SupabaseClient,
  name: string,
  body: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<unknown> {
  const { data, error } = await client.functions.invoke(name, { body, headers, timeout: CALL_TIMEOUT_MS })
  if (error === null) return data
  if (!(error instanceof FunctionsHttpError)) throw new CallRefused(name, 'unreachable', String(error))
  const answer: unknown =
    error.context instanceof Response ? await error.context.json().catch(() => undefined) : undefined
  const parsed = ErrorBody.safeParse(answer)
  throw new CallRefused(name, parsed.data?.error.code ?? 'unreadable', parsed.data?.error.message ?? '')
}

function demoOf(state: StateFile): Demo {
  const { email, password, totp_secret, tenant_id, credential_id } = state.current
  if (totp_secret === undefined) throw new Error('the demo has no TOTP factor')
  return { email, password, totp_secret, tenant_id, credential_id }
}
