import { z } from 'zod'

/** How long a command line waits to be let in, and a sealed answer to be taken. */
export const LOGIN_LIFETIME_MS = 5 * 60_000
/** RFC 8628 section 3.5: between two questions; by how much more after each `slow_down`; and what is too soon. */
export const LOGIN_POLL_MS = 2_000
export const LOGIN_SLOWER_MS = 5_000
export const LOGIN_TOO_SOON_MS = 1_000

/** Two tokens of Auth's, of which the longer is 8 KB at most everywhere else too, and HPKE's overhead. */
export const MAX_SEALED_SESSION_BYTES = 12 * 1024
const bytes32 = z.base64url().length(43)
const Sealed = z.base64url().max(Math.ceil((MAX_SEALED_SESSION_BYTES * 4) / 3))

/** `POST /api/login/answer`: a session's own person lets a command line in (AAL2), or does not (any session). */
export const LoginAnswer = {
  request: z.discriminatedUnion('act', [
    z.strictObject({ act: z.literal('approve'), pickup_id: bytes32, sealed: Sealed.min(1) }),
    z.strictObject({ act: z.literal('deny'), pickup_id: bytes32 }),
  ]),
  response: z.object({ left: z.literal(true) }),
}

/** `POST /api/login/collect`, by nobody in particular: the secret is all that is asked. `approved` and `denied` are said once. */
export const LoginCollect = {
  request: z.strictObject({ pickup_secret: bytes32 }),
  response: z.discriminatedUnion('state', [
    z.object({ state: z.enum(['pending', 'slow_down', 'denied']) }),
    z.object({ state: z.literal('approved'), sealed: z.base64url() }),
  ]),
}

/** `LoginAnswers`, one a login: `idFromName(pickup id)`. Times are decision times in Unix milliseconds, given by the caller. */
export interface LoginAnswersApi {
  /** Null for a refusal. One answer a login, while it waits. */
  leave(request: {
    readonly sealed: Uint8Array | null
    readonly at: number
  }): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: 'login_answered' }>
  /** Gives the answer out and forgets it. */
  collect(at: number): Promise<CollectedLogin>
}
export type CollectedLogin =
  | { readonly state: 'pending' | 'slow_down' | 'denied' }
  | { readonly state: 'approved'; readonly sealed: Uint8Array }

/** What the command line gets: a session of its own. `expires_at` is in Unix seconds. */
export const SealedSession = z.strictObject({
  access_token: z.string().min(1).max(8192),
  refresh_token: z.string().min(1).max(1024),
  expires_at: z.int().nonnegative(),
})
export type SealedSession = z.infer<typeof SealedSession>
