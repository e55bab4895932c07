import { ROSTER_NAME } from '../../domain/contracts/durable-objects.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { parseBindings } from '../runtime/bindings.ts'
import { currentTime } from '../runtime/clock.ts'
import { type Sql, withDatabase } from '../runtime/database.ts'
import { StreamingSocket } from '../runtime/streaming-socket.ts'
import { Bindings } from './bindings.ts'
import { type Instruments, LIMITS } from './instruments.ts'
import { parseReceiptSigner } from './receipt.ts'
import { runCron } from './verify.cron.ts'
import { consumeVerify } from './verify.queue.ts'

/** Chains are read by COPY, which needs a socket that can be held back. */
const TRANSPORT = { socket: StreamingSocket.open }

/** A cron that fans out, and a queue for what does not fit into it. Nothing calls the verifier; it answers no request. */
export default {
  async fetch(): Promise<Response> {
    return new Response(null, { status: 404 })
  },

  async scheduled(controller: ScheduledController, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('verifier', Bindings, env)
    const at = new Date(controller.scheduledTime)
    const run = async (sql: Sql) => runCron(await instruments(bindings, sql, at), controller.cron)
    await withDatabase(bindings.DB, context, run, TRANSPORT)
  },

  async queue(batch: MessageBatch, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('verifier', Bindings, env)
    const at = new Date(await currentTime(bindings))
    const run = async (sql: Sql) => consumeVerify(await instruments(bindings, sql, at), batch.messages)
    await withDatabase(bindings.DB, context, run, TRANSPORT)
  },
}

async function instruments(bindings: Bindings, sql: Sql, at: Date): Promise<Instruments> {
  const { AUDIT_LEDGER, TENANT_ROSTER, RECEIPTS, VERIFY, RECEIPT_SIGNING_KEY, LOG_NAME } = bindings
  return {
    sql,
    bucket: RECEIPTS,
    ledgerOf: (tenantId) => AUDIT_LEDGER.get(AUDIT_LEDGER.idFromName(tenantId)),
    roster: TENANT_ROSTER.get(TENANT_ROSTER.idFromName(ROSTER_NAME)),
    signer: await parseReceiptSigner(RECEIPT_SIGNING_KEY, LOG_NAME),
    at,
    limits: LIMITS,
    enqueue: (messages, delaySeconds) => enqueue(VERIFY, messages, delaySeconds),
  }
}

/** What one sendBatch takes. */
const MAX_BATCH = 100

async function enqueue(
  queue: Queue<VerifyMessage>,
  messages: readonly VerifyMessage[],
  delaySeconds: number,
): Promise<void> {
  for (let start = 0; start < messages.length; start += MAX_BATCH) {
    const batch = messages.slice(start, start + MAX_BATCH).map((body) => ({ body, contentType: 'json' as const }))
    await queue.sendBatch(batch, { delaySeconds })
  }
}
