import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { sqlStateOf } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { raiseIncident } from './incidents.ts'
import type { Instruments } from './instruments.ts'
import { signMoved } from './moved.ts'
import { walkNight } from './night.ts'
import type { KnownTenant } from './tenants.ts'
import type { Verdict } from './verdict.ts'
import { Superseded } from './verification-state.ts'

export type Work = { readonly message: VerifyMessage; readonly tenant: KnownTenant }
/** `failed`: a part did not answer. No receipt, and no accusation either. */
export type Outcome = Verdict | { readonly kind: 'failed' } | { readonly kind: 'superseded' }
export type Taken = { readonly outcome: Outcome; readonly next: VerifyMessage | null }

/** One step with one log, and what is to be done next with it. An incident that it comes to is raised here. */
export async function takeStep(tools: Instruments, { message, tenant }: Work): Promise<Taken> {
  const outcome = await attempt(tools, { message, tenant })
  return { outcome, next: nextOf(message, outcome) }
}

async function attempt(tools: Instruments, { message, tenant }: Work): Promise<Outcome> {
  try {
    if (message.kind === 'night') return await walkNight(tools, tenant, message.due_at)
    const verdict = await signMoved(tools, tenant)
    if (verdict.kind === 'finding') await raiseIncident(tools.sql, tenant.tenantId, verdict.finding, tools.at)
    return verdict
  } catch (error) {
    if (error instanceof Superseded) return { kind: 'superseded' }
    const sqlstate = sqlStateOf(error)
    const fields = { tenant_id: tenant.tenantId, op: message.kind, ...(sqlstate === null ? {} : { sqlstate }) }
    log('verifier', 'error', 'chain.unverified', fields)
    return { kind: 'failed' }
  }
}

function nextOf(message: VerifyMessage, outcome: Outcome): VerifyMessage | null {
  switch (outcome.kind) {
    case 'more':
      return message
    case 'sound':
      // A night only compares; what it found sound and unsigned is then signed.
      return outcome.more ? { ...message, kind: 'moved' } : null
    case 'failed':
      // Heads that moved are due again in a few minutes; the night is not.
      return message.kind === 'night' ? message : null
    default:
      return null
  }
}
