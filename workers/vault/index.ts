import { WorkerEntrypoint } from 'cloudflare:workers'
import { z } from 'zod'
import { zeroize } from '../../domain/bytes.ts'
import type { ActOutcome, ConnectorDoorApi } from '../../domain/contracts/connector-door.ts'
import { EDGE_DOOR_PATH } from '../../domain/contracts/edge-door.ts'
import type { AuditQuery, GatewayDoorApi, SessionEnding, WebhookDelivery } from '../../domain/contracts/gateway-door.ts'
import { JobId, WebhookEventId } from '../../domain/contracts/ids.ts'
import { OPERATOR_DOOR_PATH } from '../../domain/contracts/operator-door.ts'
import type { Delivery } from '../../domain/webhooks/delivery.ts'
import { failureResponse } from '../runtime/failure-response.ts'
import { log } from '../runtime/log.ts'
import { PART } from './call.ts'
import { openForJob, resealForJob, settleJob } from './connector-door.ts'
import { edgeDoor } from './edge-door/door.ts'
import { endSessions } from './end-sessions.ts'
import { openEvent, settleEvent } from './event-door.ts'
import { sealEvents } from './event-gaps.ts'
import { unsealAudit } from './gateway-door.ts'
import { judgeKeks } from './keks.ts'
import { operatorDoor } from './operator-door/door.ts'
import { rewrapCron } from './rewrap/rewrap.cron.ts'
import { consumeRewrap } from './rewrap/rewrap.queue.ts'
import { type Visit, visited } from './visit.ts'
import { judgeWebhook } from './webhook-verdict.ts'

const Outcome = z.strictObject({ succeeded: z.boolean(), code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/) })

/** Bound to the connector alone. */
export class ConnectorDoor extends WorkerEntrypoint<unknown> implements ConnectorDoorApi {
  async open(jobId: JobId) {
    const parsed = JobId.parse(jobId)
    const opened = await visited(this.env, this.ctx, (visit) => openForJob(visit, parsed))
    if (opened.ok) zeroOnceSent(this.ctx, opened.subkey)
    return opened
  }

  async reseal(jobId: JobId) {
    const parsed = JobId.parse(jobId)
    const keys = await visited(this.env, this.ctx, (visit) => resealForJob(visit, parsed))
    if (keys.ok) zeroOnceSent(this.ctx, keys.from.subkey, keys.to.subkey)
    return keys
  }

  async openEvent(eventId: WebhookEventId) {
    const parsed = WebhookEventId.parse(eventId)
    const opened = await visited(this.env, this.ctx, (visit) => openEvent(visit, parsed))
    if (opened.ok) zeroOnceSent(this.ctx, opened.subkey)
    return opened
  }

  async settleEvent(eventId: WebhookEventId, outcome: ActOutcome) {
    const [parsed, told] = [WebhookEventId.parse(eventId), Outcome.parse(outcome)]
    return visited(this.env, this.ctx, (visit) => settleEvent(visit, parsed, told))
  }

  async sealEvents(jobId: JobId, deliveries: readonly Delivery[]) {
    const parsed = JobId.parse(jobId)
    return visited(this.env, this.ctx, (visit) => sealEvents(visit, parsed, deliveries))
  }

  async settle(jobId: JobId, outcome: ActOutcome) {
    const [parsed, told] = [JobId.parse(jobId), Outcome.parse(outcome)]
    return visited(this.env, this.ctx, (visit) => settleJob(visit, parsed, told))
  }
}

/** RPC copies what a method returns in the microtasks that follow its return; by the next task the vault's own bytes have served (V5). */
function zeroOnceSent(context: Pick<ExecutionContext, 'waitUntil'>, ...keys: readonly Uint8Array[]): void {
  const zeroed = new Promise<void>((done) => {
    setTimeout(() => {
      for (const key of keys) zeroize(key)
      done()
    }, 0)
  })
  context.waitUntil(zeroed)
}

/** Bound to the gateway alone. */
export class GatewayDoor extends WorkerEntrypoint<unknown> implements GatewayDoorApi {
  async ready() {
    return visited(this.env, this.ctx, readiness)
  }

  async unsealAudit(userJwt: string, query: AuditQuery) {
    return visited(this.env, this.ctx, (visit) => unsealAudit(visit, userJwt, query))
  }

  async endSessions(userJwt: string, ending: SessionEnding) {
    return visited(this.env, this.ctx, (visit) => endSessions(visit, userJwt, ending))
  }

  async judgeWebhook(delivery: WebhookDelivery) {
    return visited(this.env, this.ctx, (visit) => judgeWebhook(visit, delivery))
  }
}

export default {
  async fetch(request, env, context): Promise<Response> {
    try {
      return await visited(env, context, (visit) => answer(request, visit))
    } catch (error) {
      return failureResponse(PART, error, crypto.randomUUID())
    }
  },

  async queue(batch, env, context): Promise<void> {
    await visited(env, context, (visit) => consumeRewrap(visit, batch.messages))
  },

  async scheduled(_, env, context): Promise<void> {
    const done = await visited(env, context, rewrapCron)
    if (!done.ok) log(PART, 'error', 'rewrap_cron_refused', { code: done.code })
  },
} satisfies ExportedHandler<unknown>

async function answer(request: Request, visit: Visit): Promise<Response> {
  const { pathname } = new URL(request.url)
  if (pathname.startsWith(EDGE_DOOR_PATH)) return edgeDoor(request, visit)
  if (pathname.startsWith(OPERATOR_DOOR_PATH)) return operatorDoor(request, visit)
  if (pathname !== '/ready' || request.method !== 'GET') return new Response(null, { status: 404 })
  const state = await readiness(visit)
  return Response.json(state, { status: state.ok ? 200 : 503, headers: { 'cache-control': 'no-store' } })
}

/** Whether a key could be released now; the code of a refusal names what the operator has to mend. */
async function readiness(visit: Visit): Promise<{ ok: true } | { ok: false; code: string }> {
  const keks = await judgeKeks(visit)
  return keks.ok ? { ok: true } : { ok: false, code: keks.code }
}
