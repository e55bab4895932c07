import { fromBase64Url } from '../../../domain/bytes.ts'
import type { EnrolAnswer, EnrolRequest } from '../../../domain/contracts/operator-keys.ts'
import { OPERATOR_KEY_WAIT_MS, type OperatorKeyId } from '../../../domain/contracts/operator-keys.ts'
import { requestDigest } from '../../../domain/contracts/request-digest.ts'
import { targetOf } from '../../../domain/contracts/step-up.ts'
import { operatorKeyId } from '../../../domain/operator-key/public-key.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { appendEvent, appendOutcome, newRowId } from '../audit-append.ts'
import { reach } from '../call.ts'
import { claimFreshness } from '../freshness.ts'
import { askOperatorKeys } from '../ledger.ts'
import {
  type EdgeRefusal,
  type EdgeVisit,
  edgeRefusal,
  type Operation,
  type RequestOf,
  requireRoleFor,
} from './operation.ts'
import { spendStepUp } from './step-up.ts'

const ENROL = 'operator_key.enrol'
const REMOVE = 'operator_key.remove'
type Standing = Extract<EnrolAnswer, { ok: true }>
type Deed = { readonly action: string; readonly target: string; readonly ended: (value: Standing | null) => string }

/** A key's two public halves, under a step-up token that is bound to them. */
export const operatorKeyEnrol: Operation<'operator-key-enrol'> = async (visit, request) => {
  const { tenant_id: tenantId } = request
  const member = await requireRoleFor(visit, tenantId, ENROL)
  if (!member.ok) return member
  const asked = enrolment(visit, request)
  if (!asked.ok) return asked
  const keyId = operatorKeyId(asked.value.publicKey)
  const digest = await requestDigest(ENROL, request)
  const stepUp = await spendStepUp(visit, {
    tenant_id: tenantId,
    action: ENROL,
    target_id: keyId,
    request_digest: digest,
  })
  if (!stepUp.ok) return stepUp
  const deed: Deed = { action: ENROL, target: targetOf(ENROL, keyId), ended: (key) => key?.state ?? 'enrolled' }
  const enrolled = await onRecord(visit, tenantId, deed, () => enrol(visit, asked.value))
  if (!enrolled.ok) return enrolled
  const { state, activeAt } = enrolled.value
  return success({
    key_id: enrolled.value.keyId,
    state,
    active_at: activeAt === null ? null : new Date(activeAt).toISOString(),
  })
}

export const operatorKeyList: Operation<'operator-key-list'> = async (visit, { tenant_id }) => {
  const member = await requireRoleFor(visit, tenant_id, ENROL)
  if (!member.ok) return member
  const listed = await askOperatorKeys(visit.bindings, tenant_id, (keys) => keys.list(visit.at))
  if (!listed.ok) return listed
  const lines = listed.value.map(({ keyId, userId, state, enrolledAt, activeAt }) => ({
    key_id: keyId,
    user_id: userId,
    state,
    enrolled_at: new Date(enrolledAt).toISOString(),
    active_at: activeAt === null ? null : new Date(activeAt).toISOString(),
  }))
  return success({ keys: lines })
}

/** Any owner ends any key: that takes power away and gives none, so freshness is asked for and no token. */
export const operatorKeyRemove: Operation<'operator-key-remove'> = async (visit, { tenant_id, key_id }) => {
  const member = await requireRoleFor(visit, tenant_id, ENROL)
  if (!member.ok) return member
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const deed: Deed = { action: REMOVE, target: targetOf(ENROL, key_id), ended: () => 'removed' }
  const removed = await onRecord(visit, tenant_id, deed, async () => {
    const asked = await askOperatorKeys(visit.bindings, tenant_id, (keys) =>
      keys.remove({ keyId: key_id, at: visit.at }),
    )
    if (!asked.ok) return asked
    return asked.value.ok ? success(null) : failure(asked.value.code)
  })
  return removed.ok ? success({}) : removed
}

function enrolment(
  { user, at }: EdgeVisit,
  { tenant_id, public_key, vouch }: RequestOf<'operator-key-enrol'>,
): Result<EnrolRequest, 'request_invalid'> {
  const publicKey = fromBase64Url(public_key)
  const signature = vouch === null ? null : fromBase64Url(vouch.signature)
  if (!publicKey.ok || signature?.ok === false) return failure('request_invalid')
  return success({
    tenantId: tenant_id,
    userId: user.userId,
    publicKey: publicKey.value,
    vouch: vouch === null || signature === null ? null : { keyId: vouch.key_id, signature: signature.value },
    at,
  })
}

/** The mails are in the outbox before the object is told so: a key whose mails could not be written never becomes active. */
async function enrol(visit: EdgeVisit, request: EnrolRequest): Promise<Result<Standing, EdgeRefusal>> {
  const { tenantId, at } = request
  const entered = await askKeys(visit, request, (keys) => keys.enrol(request))
  if (!entered.ok || entered.value.state !== 'unannounced') return entered
  const { keyId, isFirst } = entered.value
  const activeAt = isFirst ? at : at + OPERATOR_KEY_WAIT_MS
  const mailed = await mailOwners(visit, request, keyId, activeAt)
  if (!mailed.ok) return mailed
  return askKeys(visit, { tenantId }, (keys) => keys.announce({ keyId, at }))
}

async function askKeys(
  { bindings }: EdgeVisit,
  { tenantId }: Pick<EnrolRequest, 'tenantId'>,
  ask: Parameters<typeof askOperatorKeys<EnrolAnswer>>[2],
): Promise<Result<Standing, EdgeRefusal>> {
  const asked = await askOperatorKeys(bindings, tenantId, ask)
  if (!asked.ok) return asked
  return asked.value.ok ? success(asked.value) : failure(asked.value.code)
}

function mailOwners(
  { sql }: EdgeVisit,
  { tenantId, userId, at }: EnrolRequest,
  keyId: OperatorKeyId,
  activeAt: number,
): Promise<Result<unknown, 'store_unreachable'>> {
  const write = () =>
    sql`select flarewatch.mail_operator_key(${tenantId}, ${userId}, ${keyId}, ${new Date(activeAt)}, ${new Date(at)})`
  return reach('store_unreachable', write, { tenant_id: tenantId })
}

/** L1: the intent row before the act, and an outcome row whichever way it went. */
async function onRecord<Value extends Standing | null>(
  visit: EdgeVisit,
  tenantId: EnrolRequest['tenantId'],
  { action, target, ended }: Deed,
  act: () => Promise<Result<Value, EdgeRefusal>>,
): Promise<Result<Value, EdgeRefusal>> {
  const [actor, rowId] = [`user:${visit.user.userId}`, newRowId()] as const
  const begun = await appendEvent(visit, { tenantId, actor, action, target, detail: {} }, rowId)
  if (!begun.ok) return failure(edgeRefusal(begun.code))
  const done = await act()
  const outcome = { succeeded: done.ok, code: done.ok ? ended(done.value) : done.code }
  const told = await appendOutcome(visit, { tenantId, actor, target, rowId }, outcome)
  if (done.ok && !told.ok) return failure(edgeRefusal(told.code))
  return done
}
