import { toBase64Url } from '../../domain/bytes.ts'
import { type DeviceLogin, isLoginCode, loginCodeOf } from '../../domain/device-login/login.ts'
import { sealSession } from '../../domain/device-login/sealed-session.ts'
import { LoginAnswer, type SealedSession, type z } from '../data/schemas.ts'
import { type Answer, failed, requestJson } from '../data/wire.ts'
import type { Account, Auth } from '../session/auth.ts'

/** What a person enters to let a command line in. */
export type Typed = { readonly code: string; readonly password: string; readonly totp: string }
type Approver = { readonly auth: Auth; readonly account: Account & { readonly factorId: string } }

/** An address alone approves nothing, nor does one whose code is another than the terminal shows: then nobody is signed in at all. */
export async function approve({ auth, account }: Approver, login: DeviceLogin, typed: Typed): Promise<Answer<null>> {
  if (login.until * 1000 <= Date.now()) return failed('login_link_expired')
  const code = loginCodeOf(login, location.origin)
  if (!isLoginCode(typed.code, code)) return failed('login_code_wrong')
  const { email, factorId } = account
  return auth.handOver({ email, password: typed.password, factorId, code: typed.totp }, async (session) => {
    const sealed = await sealed64(login, code, session)
    return sealed.ok
      ? leave(auth, { act: 'approve', pickup_id: toBase64Url(login.pickupId), sealed: sealed.value })
      : sealed
  })
}

export function deny(auth: Auth, { pickupId }: DeviceLogin): Promise<Answer<null>> {
  return leave(auth, { act: 'deny', pickup_id: toBase64Url(pickupId) })
}

/** X25519 is the newest thing that is asked of a browser here; a key of low order is refused the same. */
async function sealed64(
  { publicKey, pickupId }: DeviceLogin,
  code: string,
  session: SealedSession,
): Promise<Answer<string>> {
  try {
    const context = { origin: location.origin, code, pickupId }
    return { ok: true, value: toBase64Url(await sealSession({ publicKey, context, session })) }
  } catch {
    return failed('sealing_unsupported')
  }
}

async function leave(auth: Auth, request: z.input<typeof LoginAnswer.request>): Promise<Answer<null>> {
  const token = await auth.accessToken()
  if (token === null) return failed('signed_out')
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(request) }
  const left = await requestJson('/api/login/answer', LoginAnswer.response, init)
  return left.ok ? { ok: true, value: null } : left
}
