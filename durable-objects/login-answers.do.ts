/**
 * LoginAnswers: what a browser leaves for a command line that waits to be signed in.
 *
 * Key: the pickup id, a hash of a secret that the command line alone has.
 * Invariants: at most one answer waits. It is given out at most once, and not after 5 minutes. It is a refusal, or sealed to a key
 * that the command line made: nothing in here opens it.
 * Atomic because: each judgement is one synchronous turn.
 * An object that nobody left anything in stores nothing: asking costs no room, whoever asks for how many.
 */
import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import {
  type CollectedLogin,
  LOGIN_LIFETIME_MS,
  LOGIN_TOO_SOON_MS,
  type LoginAnswersApi,
  MAX_SEALED_SESSION_BYTES,
} from '../domain/contracts/device-login.ts'
import { fromBlob, toBlob } from './columns.ts'

const Moment = z.int().nonnegative()
const Leave = z.strictObject({
  sealed: z
    .instanceof(Uint8Array)
    .refine(({ length }) => length > 0 && length <= MAX_SEALED_SESSION_BYTES)
    .nullable(),
  at: Moment,
})
const ANSWER = 'answer'
/** `sealed` is null for a refusal. */
type Answer = { readonly sealed: ArrayBuffer | null; readonly expiresAt: number }

export class LoginAnswers extends DurableObject<unknown> implements LoginAnswersApi {
  /** In memory alone: forgotten, it lets one question through too soon. */
  #askedAt = Number.NEGATIVE_INFINITY

  async leave(
    request: Parameters<LoginAnswersApi['leave']>[0],
  ): Promise<{ ok: true } | { ok: false; code: 'login_answered' }> {
    const { sealed, at } = Leave.parse(request)
    if (this.#waiting(at) !== undefined) return { ok: false, code: 'login_answered' }
    const answer: Answer = { sealed: sealed === null ? null : toBlob(sealed), expiresAt: at + LOGIN_LIFETIME_MS }
    this.ctx.storage.kv.put(ANSWER, answer)
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + LOGIN_LIFETIME_MS))
    return { ok: true }
  }

  async collect(at: number): Promise<CollectedLogin> {
    const now = Moment.parse(at)
    const waiting = this.#waiting(now)
    if (waiting !== undefined) {
      this.ctx.storage.kv.delete(ANSWER)
      return waiting.sealed === null ? { state: 'denied' } : { state: 'approved', sealed: fromBlob(waiting.sealed) }
    }
    const passed = now - this.#askedAt
    this.#askedAt = now
    return { state: passed >= 0 && passed < LOGIN_TOO_SOON_MS ? 'slow_down' : 'pending' }
  }

  override async alarm(): Promise<void> {
    await this.ctx.storage.deleteAll()
  }

  #waiting(at: number): Answer | undefined {
    const answer = this.ctx.storage.kv.get<Answer>(ANSWER)
    return answer === undefined || answer.expiresAt <= at ? undefined : answer
  }
}
