import { fromBase64Url, toBase64Url } from '../../../domain/bytes.ts'
import { failure, success } from '../../../domain/result.ts'
import { askOperatorKeys } from '../ledger.ts'
import { type Operation, requireRoleFor } from './operation.ts'

const ACTION = 'credential.reveal'

/** The sealed answer of a reveal, into the place that was made for it when its key was released. */
export const revealDeliver: Operation<'reveal-deliver'> = async (visit, request) => {
  const member = await requireRoleFor(visit, request.tenant_id, ACTION)
  if (!member.ok) return member
  const sealed = fromBase64Url(request.sealed)
  if (!sealed.ok) return failure('request_invalid')
  const answer = {
    userId: visit.user.userId,
    intentRow: request.intent_row,
    dekVersion: request.dek_version,
    sealed: sealed.value,
    at: visit.at,
  }
  const delivered = await askOperatorKeys(visit.bindings, request.tenant_id, (keys) => keys.deliver(answer))
  if (!delivered.ok) return delivered
  return delivered.value.ok ? success({}) : failure(delivered.value.code)
}

/** What waits for whoever knows the secret, once. Null says as little of a place that never was as of one that is empty. */
export const revealCollect: Operation<'reveal-collect'> = async (visit, request) => {
  const member = await requireRoleFor(visit, request.tenant_id, ACTION)
  if (!member.ok) return member
  const pickupSecret = fromBase64Url(request.pickup_secret)
  if (!pickupSecret.ok) return failure('request_invalid')
  const asked = { userId: visit.user.userId, pickupSecret: pickupSecret.value, at: visit.at }
  const collected = await askOperatorKeys(visit.bindings, request.tenant_id, (keys) => keys.collect(asked))
  if (!collected.ok) return collected
  const { value: answer } = collected
  if (answer === null) return success({ answer: null })
  return success({ answer: { dek_version: answer.dekVersion, sealed: toBase64Url(answer.sealed) } })
}
