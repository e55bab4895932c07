import { DurableObject } from 'cloudflare:workers'
import type { AppendAnswer, AppendRequest, AuditLedgerApi } from '../../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import type { LedgerAnswer, LedgerJob } from '../ledger-job.ts'

type Env = {
  readonly AUDIT_LEDGER: DurableObjectNamespace
  readonly NOOP: DurableObjectNamespace<Noop>
}

const SEALED_BYTES = 285

export class Noop extends DurableObject {
  async nothing(): Promise<number> {
    return 0
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const job = (await request.json()) as LedgerJob
    // The stub of another Worker's class is typed by hand.
    const ledger = env.AUDIT_LEDGER.get(env.AUDIT_LEDGER.idFromName(job.tenantId)) as unknown as AuditLedgerApi
    const noop = env.NOOP.get(env.NOOP.idFromName('noop'))
    if (job.side === 'birth') await ledger.auditShare(TenantId.parse(job.tenantId))
    const calls = prepared(job, ledger, noop)
    // A Worker's clock stands still until it has waited for something.
    await ledger.head()
    const began = Date.now()
    const latencies: number[] = []
    let acknowledged = 0
    const client = async () => {
      for (let call = calls.pop(); call !== undefined; call = calls.pop()) {
        const sent = Date.now()
        const answered = await call()
        acknowledged += answered
        latencies.push(Date.now() - sent)
      }
    }
    await Promise.all(Array.from({ length: job.inFlight }, client))
    const tookMs = Date.now() - began
    const { seq, flushedSeq } = await ledger.head()
    return Response.json({ tookMs, latencies, acknowledged, seq, flushedSeq } satisfies LedgerAnswer)
  },
}

function prepared(
  { side, tenantId, calls, rows }: LedgerJob,
  ledger: AuditLedgerApi,
  noop: DurableObjectStub<Noop>,
): (() => Promise<number>)[] {
  if (side === 'noop') return Array.from({ length: calls }, () => async () => 1 + (await noop.nothing()))
  const at = Date.now()
  if (side === 'append') {
    return Array.from({ length: calls }, () => {
      const request = newRequest(tenantId, at)
      return async () => countOk([await ledger.append(request)])
    })
  }
  return Array.from({ length: calls }, () => {
    const requests = Array.from({ length: rows }, () => newRequest(tenantId, at))
    return async () => countOk(await ledger.appendMany(requests))
  })
}

function newRequest(tenantId: string, at: number): AppendRequest {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const tags = { actorTag: random(32), actionTag: random(32), targetTag: random(32) }
  return { row: { tenantId, rowId: crypto.randomUUID(), keyVersion: 1, ...tags, sealed: random(SEALED_BYTES) }, at }
}

function countOk(answers: readonly AppendAnswer[]): number {
  return answers.filter(({ ok }) => ok).length
}
