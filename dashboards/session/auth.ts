import { type AuthError, createClient, isAuthRetryableFetchError, type SupabaseClient } from '@supabase/supabase-js'
import type { AuthCode } from '../data/failure-text.ts'
import type { Config } from '../data/gateway.ts'
import { SealedSession } from '../data/schemas.ts'
import { type Answer, failed } from '../data/wire.ts'

export type Account = {
  readonly email: string
  readonly aal: 'aal1' | 'aal2'
  /** The verified TOTP factor; null before enrolment. */
  readonly factorId: string | null
}
/** What a session at AAL2 begins with. */
export type Proofs = {
  readonly email: string
  readonly password: string
  readonly factorId: string
  readonly code: string
}
export type Enrolment = {
  readonly factorId: string
  readonly qrCode: string | null
  readonly secret: string
  readonly uri: string
}

const ISSUER = 'Flarewatch'
/** A client beside the page's own: it shares no storage with it, and reads nothing from the address. */
const KEPT_NOWHERE = {
  persistSession: false,
  autoRefreshToken: false,
  detectSessionInUrl: false,
  storageKey: 'flarewatch.handed-over',
} as const
const QR_PREFIX = 'data:image/svg+xml;utf-8,'

/** Everything that supabase-js is used for: accounts. Data comes from the gateway. */
export class Auth {
  readonly #config: Config
  readonly #auth: SupabaseClient['auth']

  constructor(config: Config) {
    this.#config = config
    this.#auth = createClient(config.supabase_url, config.publishable_key).auth
  }

  /** Null while signed out. The factors are asked of the server, since a stored session's copy may be old. */
  async account(): Promise<Answer<Account | null>> {
    const session = await this.#auth.getSession()
    if (session.error !== null) return this.#refused(session.error)
    if (session.data.session === null) return { ok: true, value: null }
    const [factors, level] = await Promise.all([
      this.#auth.mfa.listFactors(),
      this.#auth.mfa.getAuthenticatorAssuranceLevel(),
    ])
    const error = factors.error ?? level.error
    if (error !== null) {
      if (isAuthRetryableFetchError(error)) return failed('auth_unreachable')
      // The server no longer knows the session: forget it here too.
      await this.#auth.signOut({ scope: 'local' })
      return { ok: true, value: null }
    }
    const aal = level.data?.currentLevel === 'aal2' ? 'aal2' : 'aal1'
    const factorId = factors.data?.totp[0]?.id ?? null
    return { ok: true, value: { email: session.data.session.user.email ?? '', aal, factorId } }
  }

  async signIn(email: string, password: string): Promise<Answer<null>> {
    const { error } = await this.#auth.signInWithPassword({ email, password })
    return error === null ? { ok: true, value: null } : this.#refused(error, 'invalid_credentials')
  }

  /** `confirm` when the project wants the email address confirmed first. */
  async signUp(email: string, password: string): Promise<Answer<'signed_in' | 'confirm'>> {
    const { data, error } = await this.#auth.signUp({ email, password })
    if (error !== null) return this.#refused(error)
    return { ok: true, value: data.session === null ? 'confirm' : 'signed_in' }
  }

  /** A new secret. What an earlier, unfinished enrolment left behind goes first: a user may have but a few. */
  async enrol(): Promise<Answer<Enrolment>> {
    const { data: known } = await this.#auth.mfa.listFactors()
    for (const factor of known?.all ?? []) {
      if (factor.status === 'unverified') await this.#auth.mfa.unenroll({ factorId: factor.id })
    }
    const { data, error } = await this.#auth.mfa.enroll({ factorType: 'totp', issuer: ISSUER })
    if (error !== null) return this.#refused(error)
    const { qr_code, secret, uri } = data.totp
    return { ok: true, value: { factorId: data.id, qrCode: qrImage(qr_code), secret, uri } }
  }

  async verify(factorId: string, code: string): Promise<Answer<null>> {
    const { error } = await this.#auth.mfa.challengeAndVerify({ factorId, code })
    return error === null ? { ok: true, value: null } : this.#refused(error, 'mfa_verification_failed')
  }

  /**
   * Another session than this browser's, at AAL2, for who `take`s it to keep: nothing of it stays here, and one that was not taken
   * is ended.
   */
  async handOver(
    { email, password, factorId, code }: Proofs,
    take: (session: SealedSession) => Promise<Answer<null>>,
  ): Promise<Answer<null>> {
    const { auth } = createClient(this.#config.supabase_url, this.#config.publishable_key, { auth: KEPT_NOWHERE })
    const signedIn = await auth.signInWithPassword({ email, password })
    if (signedIn.error !== null) return this.#refused(signedIn.error, 'invalid_credentials')
    const { error } = await auth.mfa.challengeAndVerify({ factorId, code })
    const answer = error === null ? await take(await tokensOf(auth)) : this.#refused(error, 'mfa_verification_failed')
    if (!answer.ok) await auth.signOut({ scope: 'local' })
    return answer
  }

  async accessToken(): Promise<string | null> {
    const { data } = await this.#auth.getSession()
    return data.session?.access_token ?? null
  }

  async signOut(): Promise<void> {
    const { error } = await this.#auth.signOut({ scope: 'local' })
    if (error !== null) console.warn('the sign-in service did not confirm the sign-out')
  }

  /** Calls back when the session ends here, in another tab, or because it could not be renewed. */
  onSignedOut(callback: () => void): () => void {
    const { data } = this.#auth.onAuthStateChange((event) => {
      if (event === 'SIGNED_OUT') callback()
    })
    return () => data.subscription.unsubscribe()
  }

  #refused(error: AuthError, fallback: AuthCode = 'auth_failed') {
    if (isAuthRetryableFetchError(error)) return failed('auth_unreachable')
    const code = error.code ?? ''
    if (AUTH_CODES.has(code)) return failed(code)
    return failed(error.status === 429 ? 'over_request_rate_limit' : fallback)
  }
}

const AUTH_CODES: ReadonlySet<string> = new Set<AuthCode>([
  'invalid_credentials',
  'email_not_confirmed',
  'email_address_invalid',
  'user_already_exists',
  'weak_password',
  'signup_disabled',
  'mfa_verification_failed',
  'mfa_verification_rejected',
  'mfa_challenge_expired',
  'over_request_rate_limit',
])

async function tokensOf(auth: SupabaseClient['auth']): Promise<SealedSession> {
  const { data } = await auth.getSession()
  const { access_token, refresh_token, expires_at } = data.session ?? {}
  return SealedSession.parse({ access_token, refresh_token, expires_at })
}

/** supabase-js puts the bare SVG into a data URL, where a `#` in it would end the image. */
function qrImage(dataUrl: string): string | null {
  if (!dataUrl.startsWith(QR_PREFIX)) return dataUrl.startsWith('data:image/') ? dataUrl : null
  return `data:image/svg+xml,${encodeURIComponent(dataUrl.slice(QR_PREFIX.length))}`
}
