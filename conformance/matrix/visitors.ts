import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { type Agency, act, foundAgency } from '../agency.ts'
import { enrolTotp, type Person, signInAgain, signUp, stepUpToAal2 } from '../person.ts'
import type { RunFile } from '../run-file.ts'
import { fireCron, issueToken, until, untilPolled } from '../stack.ts'
import type { Demand, Place } from './routes.ts'

export type Visitor = {
  readonly name: string
  readonly role: string
  /** The most that this visitor has shown. */
  readonly shows: Demand
  readonly person: Person | null
  /** The session was ended; its token has not run out. */
  readonly hasEnded?: true
}
export type Scene = {
  readonly place: Place
  readonly otherTenantId: string
  /** A credential of the other agency. */
  readonly otherCredentialId: string
  readonly visitors: readonly Visitor[]
}

/** Older than A3's 300 seconds, and than the clock's tolerance. */
const STALE_SECONDS = 900

/** One agency with a credential that was polled, everybody who may come to it, and the owner of another. */
export async function setScene(run: RunFile): Promise<Scene> {
  const [agency, other] = [await foundAgency(run), await foundAgency(run)]
  const [credentialId, otherCredentialId] = [randomUUID(), randomUUID()]
  await agency.store(await issueToken(run, 'purge'), credentialId)
  await other.store(await issueToken(run), otherCredentialId)
  await fireCron(run, 'scheduler', '* * * * *')
  await untilPolled(agency.owner)
  await untilPolled(other.owner)
  await signedOnce(run, agency.tenantId)
  const { sites } = (await agency.owner.read('/api/sites')).body as { sites: { id: string }[] }
  const [operator, viewer, unenrolled] = [await signUp(run), await signUp(run), await signUp(run)]
  await enrolTotp(operator)
  await enrolTotp(viewer)
  await join(run, agency.tenantId, { operator, viewer, owner: unenrolled })
  const place: Place = {
    tenantId: agency.tenantId,
    siteId: sites[0]?.id ?? '',
    credentialId,
    mail: await storeMailKey(run, agency),
    memberId: await userIdOf(viewer),
    issueToken: () => issueToken(run, 'purge'),
    storeAnother: async () => {
      const id = randomUUID()
      await agency.store(await issueToken(run), id)
      return id
    },
  }
  // One after the other: a code that is verified ends the sessions that were opened without one.
  const stale = await signInAgain(run, agency.owner)
  await stepUpToAal2(stale, agency.totpSecret)
  await letAge(run, stale)
  const ended = await endedSession(await signInAgain(run, agency.owner), agency.totpSecret)
  const password = await signInAgain(run, agency.owner)
  const visitors: Visitor[] = [
    { name: 'nobody', role: 'none', shows: 'nothing', person: null },
    { name: 'owner, not enrolled', role: 'owner', shows: 'session', person: unenrolled },
    { name: 'owner, password alone', role: 'owner', shows: 'enrolment', person: password },
    { name: 'owner, AAL2 gone stale', role: 'owner', shows: 'aal2', person: stale },
    { name: 'owner, AAL2 fresh', role: 'owner', shows: 'fresh', person: agency.owner },
    { name: 'owner, AAL2 fresh, session ended', role: 'owner', shows: 'fresh', person: ended, hasEnded: true },
    { name: 'operator, AAL2 fresh', role: 'operator', shows: 'fresh', person: operator },
    { name: 'viewer, AAL2 fresh', role: 'viewer', shows: 'fresh', person: viewer },
    { name: 'owner of another agency, AAL2 fresh', role: 'outsider', shows: 'fresh', person: other.owner },
  ]
  return { place, otherTenantId: other.tenantId, otherCredentialId, visitors }
}

async function storeMailKey(run: RunFile, { owner, tenantId }: Agency): Promise<Place['mail']> {
  const url = `${run.simulators.resend?.control_url}/keys`
  const issued = await fetch(url, { method: 'POST', body: JSON.stringify({ permission: 'full_access' }) })
  const { key: secret } = (await issued.json()) as { key: string }
  const credentialId = randomUUID()
  const body = { tenant_id: tenantId, credential_id: credentialId, provider: 'resend', label: 'Mail', secret }
  const target = { action: 'credential.store', target_id: credentialId }
  const { sites } = (await act(owner, 'credential-store', target, body)).body as { sites: { id: string }[] }
  return { credentialId, siteId: sites[0]?.id ?? '' }
}

async function signedOnce(run: RunFile, tenantId: string): Promise<void> {
  await until(async () => {
    await fireCron(run, 'verifier', '*/5 * * * *')
    return (await fetch(`${run.gateway_url}/receipts/${tenantId}`)).ok
  }, 'the log is signed')
}

export async function userIdOf(person: Person): Promise<string> {
  const { data } = await person.supabase.auth.getUser()
  if (data.user === null) throw new Error('not signed in')
  return data.user.id
}

/** As a superuser: the matrix asks what each role may do, not how one comes to it. */
async function join(run: RunFile, tenantId: string, people: Readonly<Record<string, Person>>): Promise<void> {
  const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    for (const [role, person] of Object.entries(people)) {
      const userId = await userIdOf(person)
      await sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenantId}, ${userId}, ${role})`
    }
  } finally {
    await sql.end()
  }
}

/** Somebody who kept the token of a session at AAL2 that was ended. */
async function endedSession(person: Person, totpSecret: string): Promise<Person> {
  await stepUpToAal2(person, totpSecret)
  const token = await person.token()
  const { error } = await person.supabase.auth.signOut({ scope: 'local' })
  if (error !== null) throw error
  return { ...person, token: async () => token }
}

/** A TOTP of a quarter of an hour ago: the session's own record of it is set back, and a refresh puts it into the token. */
async function letAge(run: RunFile, person: Person): Promise<void> {
  const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    const { data } = await person.supabase.auth.getClaims()
    await sql`
      update auth.mfa_amr_claims set updated_at = updated_at - make_interval(secs => ${STALE_SECONDS})
      where session_id = ${data?.claims.session_id ?? ''}::uuid and authentication_method = 'totp'`
  } finally {
    await sql.end()
  }
  const { error } = await person.supabase.auth.refreshSession()
  if (error !== null) throw error
}
