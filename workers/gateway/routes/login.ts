import type { IRequestStrict } from 'itty-router'
import type { z } from 'zod'
import { fromBase64Url, toBase64Url } from '../../../domain/bytes.ts'
import {
  LoginAnswer,
  type LoginAnswersApi,
  LoginCollect,
  MAX_SEALED_SESSION_BYTES,
} from '../../../domain/contracts/device-login.ts'
import { loginPickupIdOf } from '../../../domain/device-login/login.ts'
import { readBounded } from '../../runtime/bounded-body.ts'
import type { Bindings } from '../bindings.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler } from '../visit.ts'
import { withUser } from '../with-tenant.ts'

/** The sealed session in base64url, and its two neighbours. */
const MAX_BODY_BYTES = MAX_SEALED_SESSION_BYTES * 2

/**
 * A session for a command line, sealed to a key that it alone has, or the word that it gets none. Whoever leaves one gives away a
 * power of their own and needs AAL2; saying no needs only to be somebody.
 */
export const answerLogin: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const asked = await parseBody(request, LoginAnswer.request)
  // A session that was ended gives nobody another.
  await withUser(session, visit, null, async () => null)
  if (asked.act === 'approve' && session.aal !== 'aal2') throw new Refusal('aal2_required')
  const sealed = asked.act === 'approve' ? decoded(asked.sealed) : null
  const pickupId = decoded(asked.pickup_id)
  const left = await ask(visit.bindings, pickupId, (answers) => answers.leave({ sealed, at: visit.now }))
  if (!left.ok) throw new Refusal(left.code)
  return answer(LoginAnswer.response, { left: true })
}

/** What waits for whoever knows the secret. Who asks has no session yet: this is how they come by one. */
export const collectLogin: Handler = async (request, visit) => {
  const { pickup_secret } = await parseBody(request, LoginCollect.request)
  const pickupId = loginPickupIdOf(decoded(pickup_secret))
  const collected = await ask(visit.bindings, pickupId, (answers) => answers.collect(visit.now))
  if (collected.state !== 'approved') return answer(LoginCollect.response, { state: collected.state })
  return answer(LoginCollect.response, { state: 'approved', sealed: toBase64Url(collected.sealed) })
}

async function parseBody<Schema extends z.ZodType>(request: IRequestStrict, schema: Schema): Promise<z.output<Schema>> {
  const body = await readBounded(request.body, MAX_BODY_BYTES)
  if (!body.ok) throw new Refusal(body.code)
  const parsed = schema.safeParse(parseJson(body.value))
  if (!parsed.success) throw new Refusal('request_invalid')
  return parsed.data
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    return undefined
  }
}

function decoded(text: string): Uint8Array {
  const bytes = fromBase64Url(text)
  if (!bytes.ok) throw new Refusal('request_invalid')
  return bytes.value
}

async function ask<Value>(
  { LOGIN_ANSWERS }: Bindings,
  pickupId: Uint8Array,
  question: (answers: LoginAnswersApi) => Promise<Value>,
): Promise<Value> {
  try {
    return await question(LOGIN_ANSWERS.get(LOGIN_ANSWERS.idFromName(toBase64Url(pickupId))))
  } catch {
    throw new Refusal('store_unreachable')
  }
}
