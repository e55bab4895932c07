import { randomUUID } from 'node:crypto'
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { TOTP } from 'otpauth'
import type { RunFile } from './run-file.ts'

/** A person at a browser, reduced to the calls that it makes: unmodified supabase-js, the functions, the gateway's `/api`. */
export type Person = Caller & {
  readonly email: string
  readonly password: string
  readonly supabase: SupabaseClient
}

export type Caller = {
  /** The access token as it is now; it changes with each step up. */
  readonly token: () => Promise<string>
  readonly call: (name: string, body: unknown, headers?: Record<string, string>) => Promise<Answer>
  readonly read: (path: string, headers?: Record<string, string>) => Promise<Answer>
}

export type Answer = { readonly status: number; readonly text: string; readonly body: unknown }

/** Signs up with a password: AAL1, no second factor yet. */
export async function signUp(run: RunFile, email = `${randomUUID()}@example.test`): Promise<Person> {
  const password = `pw-${randomUUID()}`
  const person = personOn(run, email, password)
  const { error } = await person.supabase.auth.signUp({ email, password })
  if (error !== null) throw error
  return person
}

/** A new session of somebody who has signed up before: AAL1. */
export async function signInAgain(run: RunFile, known: Pick<Person, 'email' | 'password'>): Promise<Person> {
  const person = personOn(run, known.email, known.password)
  const { error } = await person.supabase.auth.signInWithPassword({ email: known.email, password: known.password })
  if (error !== null) throw error
  return person
}

/** The same session on a stack that was started again at other addresses: as a browser that kept its refresh token. */
export async function resumeSession(run: RunFile, known: Person): Promise<Person> {
  const { data } = await known.supabase.auth.getSession()
  if (data.session === null) throw new Error('not signed in')
  const person = personOn(run, known.email, known.password)
  const { error } = await person.supabase.auth.refreshSession({ refresh_token: data.session.refresh_token })
  if (error !== null) throw error
  return person
}

/** Enrols TOTP and steps up to AAL2; returns the secret, base32. */
export async function enrolTotp(person: Person): Promise<string> {
  const { data, error } = await person.supabase.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' })
  if (error !== null) throw error
  await verifyTotp(person, data.id, data.totp.secret)
  return data.totp.secret
}

export async function stepUpToAal2(person: Person, secret: string): Promise<void> {
  const { data, error } = await person.supabase.auth.mfa.listFactors()
  if (error !== null) throw error
  const [factor] = data.totp
  if (factor === undefined) throw new Error('no verified TOTP factor')
  await verifyTotp(person, factor.id, secret)
}

async function verifyTotp(person: Person, factorId: string, secret: string): Promise<void> {
  const code = new TOTP({ secret }).generate()
  const { error } = await person.supabase.auth.mfa.challengeAndVerify({ factorId, code })
  if (error !== null) throw error
}

function personOn(run: RunFile, email: string, password: string): Person {
  const supabase = createClient(run.supabase_url, run.publishable_key, {
    auth: { persistSession: false, autoRefreshToken: false },
  })
  const token = async () => {
    const { data } = await supabase.auth.getSession()
    if (data.session === null) throw new Error('not signed in')
    return data.session.access_token
  }
  return { email, password, supabase, ...callerWith(run, token) }
}

/** Whoever holds the token, be it of a browser's session. */
export function callerWith(run: RunFile, token: () => Promise<string>): Caller {
  return {
    token,
    call: async (name, body, headers = {}) =>
      answer(`${run.functions_url}/${name}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await token()}`,
          apikey: run.publishable_key,
          'content-type': 'application/json',
          'idempotency-key': randomUUID(),
          ...headers,
        },
        body: JSON.stringify(body),
      }),
    read: async (path, headers = {}) =>
      answer(run.gateway_url + path, { headers: { authorization: `Bearer ${await token()}`, ...headers } }),
  }
}

async function answer(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  return { status: response.status, text, body: parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
