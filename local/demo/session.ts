import type { Session, SupabaseClient } from '@supabase/supabase-js'
import { decodeJwt } from 'jose'
import { Secret, TOTP } from 'otpauth'
import { z } from 'zod'
import type { StateFile } from './state.ts'

const PERIOD_SECONDS = 30
const Claims = z.object({
  aal: z.enum(['aal1', 'aal2']),
  amr: z.array(z.object({ method: z.string(), timestamp: z.number() })),
})

export function totpCode(secret: string, at: number): string {
  return new TOTP({ secret: Secret.fromBase32(secret), period: PERIOD_SECONDS, digits: 6 }).generate({ timestamp: at })
}

/** Signs in as far as AAL2, enrolling TOTP where that has not happened. The session of an earlier run is kept when it still lives. */
export async function signIn(client: SupabaseClient, state: StateFile): Promise<Session> {
  const session = (await resume(client, state)) ?? (await withPassword(client, state))
  keep(state, session)
  await ensureFactor(client, state)
  return aalOf(session) === 'aal2' ? session : enterCode(client, state)
}

/** Enters a TOTP code; the session's newest `amr` entry is then of now. */
export async function enterCode(client: SupabaseClient, state: StateFile): Promise<Session> {
  const { totp_secret, factor_id } = state.current
  if (totp_secret === undefined || factor_id === undefined) throw new Error('the demo has no TOTP factor')
  const { error } = await client.auth.mfa.challengeAndVerify({
    factorId: factor_id,
    code: totpCode(totp_secret, Date.now()),
  })
  if (error !== null) throw new Error(`TOTP was not accepted: ${error.message}`)
  const { data } = await client.auth.getSession()
  if (data.session === null) throw new Error('no session after TOTP')
  keep(state, data.session)
  return data.session
}

/** Seconds since the session's newest TOTP. */
export function totpAge(session: Session, now: number): number {
  const times = claimsOf(session).amr.filter(({ method }) => method === 'totp')
  return now / 1000 - Math.max(Number.NEGATIVE_INFINITY, ...times.map(({ timestamp }) => timestamp))
}

async function resume(client: SupabaseClient, state: StateFile): Promise<Session | undefined> {
  const { refresh_token } = state.current
  if (refresh_token === undefined) return undefined
  const { data, error } = await client.auth.refreshSession({ refresh_token })
  return error === null && data.session !== null ? data.session : undefined
}

async function withPassword(client: SupabaseClient, state: StateFile): Promise<Session> {
  const { email, password } = state.current
  const known = await client.auth.signInWithPassword({ email, password })
  if (known.data.session !== null) return known.data.session
  if (state.current.progress !== 'begun') throw new Error(`the demo account cannot sign in: ${known.error?.message}`)
  const { data, error } = await client.auth.signUp({ email, password })
  if (error !== null || data.session === null) throw new Error(`sign-up failed: ${error?.message ?? 'no session'}`)
  return data.session
}

/** The secret is kept before it is verified: a kill in between leaves a factor that the next run can finish. */
async function ensureFactor(client: SupabaseClient, state: StateFile): Promise<void> {
  const { data, error } = await client.auth.mfa.listFactors()
  if (error !== null) throw new Error(`factors cannot be listed: ${error.message}`)
  if (data.all.some((factor) => factor.id === state.current.factor_id)) return
  for (const factor of data.all) {
    if (factor.status === 'unverified') await client.auth.mfa.unenroll({ factorId: factor.id })
  }
  const enrolled = await client.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'Demo authenticator' })
  if (enrolled.error !== null) throw new Error(`TOTP enrolment failed: ${enrolled.error.message}`)
  state.update({ factor_id: enrolled.data.id, totp_secret: enrolled.data.totp.secret })
}

function keep(state: StateFile, session: Session): void {
  state.update({ refresh_token: session.refresh_token })
}

function aalOf(session: Session): 'aal1' | 'aal2' {
  return claimsOf(session).aal
}

function claimsOf(session: Session): z.infer<typeof Claims> {
  return Claims.parse(decodeJwt(session.access_token))
}
