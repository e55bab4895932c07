import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import { STEP_UP_HEADER } from '../domain/contracts/edge-door.ts'
import { IDEMPOTENCY_HEADER, StepUp } from '../domain/contracts/functions.ts'
import type { TenantId } from '../domain/contracts/ids.ts'
import { type DigestedRequest, requestDigest } from '../domain/contracts/request-digest.ts'
import type { StepUpAction } from '../domain/contracts/step-up.ts'
import { fetchJson } from './http.ts'
import { asUser, type Session } from './session.ts'

type Act<Schema extends z.ZodType> = {
  readonly functionName: string
  readonly action: StepUpAction
  readonly targetId: string
  readonly request: DigestedRequest & { readonly tenant_id: TenantId }
  readonly answer: Schema
}

/** A token for exactly this request, and then the request: as the dashboard acts. */
export async function performAct<Schema extends z.ZodType>(
  session: Session,
  { functionName, action, targetId, request, answer }: Act<Schema>,
): Promise<z.output<Schema>> {
  const digest = await requestDigest(action, request)
  const asked = { tenant_id: request.tenant_id, action, target_id: targetId, request_digest: digest }
  const { token } = await callFunction(session, { name: 'step-up', body: asked }, StepUp.response)
  const headers = { [STEP_UP_HEADER]: token, [IDEMPOTENCY_HEADER]: randomUUID() }
  return callFunction(session, { name: functionName, body: request, headers }, answer)
}

type Call = { readonly name: string; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> }

function callFunction<Schema extends z.ZodType>(
  session: Session,
  { name, body, headers }: Call,
  answer: Schema,
): Promise<z.output<Schema>> {
  const url = `${session.supabase_url.replace(/\/$/, '')}/functions/v1/${name}`
  const sent = { ...asUser(session), apikey: session.publishable_key, 'content-type': 'application/json', ...headers }
  return fetchJson(url, { method: 'POST', headers: sent, body: JSON.stringify(body) }, answer)
}
