import type { TenantId } from '../../domain/contracts/ids.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { log } from '../runtime/log.ts'
import type { Finding } from './finding.ts'
import { raiseIncident } from './incidents.ts'
import type { Instruments } from './instruments.ts'
import { lastReleases, overdueOf } from './overdue.ts'
import { type KnownTenant, takeCensus } from './tenants.ts'
import { type Outcome, takeStep, type Work } from './work.ts'

/** `moved`: logs whose ledger flushed rows that no receipt covers yet; `all`: every log end to end, whatever happened. */
export type Scope = 'moved' | 'all'

export type Summary = {
  readonly tenants: number
  readonly unmoved: number
  readonly sound: number
  readonly signed: number
  readonly findings: readonly { readonly tenantId: TenantId; readonly finding: Finding }[]
  /** Logs that could not be looked at: a part did not answer. No receipt, and no accusation either. */
  readonly failed: readonly TenantId[]
  /** Logs that were left to the queue. */
  readonly queued: number
}

/**
 * One run over every tenant that either side names: a message for each, of which this invocation takes the first steps itself, so
 * that a small stack is done when the run ends; the rest goes to the queue. What happens to one keeps none of the others from
 * being checked.
 */
export async function verifyAll(tools: Instruments, scope: Scope): Promise<Summary> {
  const census = await takeCensus(tools)
  for (const { tenantId, finding } of census.findings) await raiseIncident(tools.sql, tenantId, finding, tools.at)
  const kind = scope === 'all' ? 'night' : 'moved'
  const work = census.tenants.map((tenant) => ({ tenant, message: messageOf(kind, tenant, tools) }))
  const { outcomes, queued } = await workOff(tools, work)
  const overdue = scope === 'moved' ? await raiseOverdue(tools, census.tenants, outcomes) : []
  return summaryOf(census.tenants, outcomes, [...census.findings, ...overdue], queued)
}

function messageOf(kind: VerifyMessage['kind'], { tenantId }: KnownTenant, { at }: Instruments): VerifyMessage {
  return { kind, log: tenantId, due_at: at.getTime() }
}

type Done = { readonly tenantId: TenantId; readonly outcome: Outcome }
const RETRY_SECONDS = 60

async function workOff(tools: Instruments, work: readonly Work[]): Promise<{ outcomes: Done[]; queued: number }> {
  const outcomes: Done[] = []
  const later: VerifyMessage[] = []
  const failed: VerifyMessage[] = []
  let steps = 0
  for (const { tenant, message } of work) {
    for (let next: VerifyMessage | null = message; next !== null; ) {
      if (steps === tools.limits.steps) {
        later.push(next)
        break
      }
      steps += 1
      const taken = await takeStep(tools, { tenant, message: next })
      outcomes.push({ tenantId: tenant.tenantId, outcome: taken.outcome })
      next = taken.next
      if (taken.outcome.kind !== 'failed') continue
      if (next !== null) failed.push(next)
      break
    }
  }
  await tools.enqueue(later, 0)
  await tools.enqueue(failed, RETRY_SECONDS)
  return { outcomes, queued: later.length + failed.length }
}

/** A log with a finding has its incident already. One that does not answer is looked at the next time. */
async function raiseOverdue(
  tools: Instruments,
  tenants: readonly KnownTenant[],
  outcomes: readonly Done[],
): Promise<Summary['findings']> {
  const accused = new Set(outcomes.filter(({ outcome }) => isAccusing(outcome)).map(({ tenantId }) => tenantId))
  const raised: { tenantId: TenantId; finding: Finding }[] = []
  const releases = await lastReleases(tools.sql)
  const unmoved = new Set(outcomes.filter(({ outcome }) => outcome.kind === 'unmoved').map(({ tenantId }) => tenantId))
  for (const tenant of tenants) {
    const { tenantId } = tenant
    if (accused.has(tenantId)) continue
    try {
      const seen = { unmoved: unmoved.has(tenantId), lastReleaseAt: releases.get(tenantId) ?? null }
      for (const finding of await overdueOf(tools, tenant, seen)) {
        await raiseIncident(tools.sql, tenantId, finding, tools.at)
        raised.push({ tenantId, finding })
      }
    } catch {
      log('verifier', 'error', 'overdue.unknown', { tenant_id: tenantId })
    }
  }
  return raised
}

function isAccusing({ kind }: Outcome): boolean {
  return kind === 'finding' || kind === 'withheld'
}

function summaryOf(
  tenants: readonly KnownTenant[],
  outcomes: readonly Done[],
  findings: Summary['findings'],
  queued: number,
): Summary {
  const of = (kind: Outcome['kind']) => outcomes.filter(({ outcome }) => outcome.kind === kind)
  const found = outcomes.flatMap(({ tenantId, outcome }) =>
    outcome.kind === 'finding' ? [{ tenantId, finding: outcome.finding }] : [],
  )
  return {
    tenants: tenants.length,
    unmoved: of('unmoved').length,
    sound: new Set(of('sound').map(({ tenantId }) => tenantId)).size,
    signed: outcomes.filter(({ outcome }) => outcome.kind === 'sound' && outcome.signed !== null).length,
    findings: [...findings, ...found],
    failed: of('failed').map(({ tenantId }) => tenantId),
    queued,
  }
}
