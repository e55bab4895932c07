import type { z } from 'zod'
import { StatusResponse } from '../../../domain/contracts/api.ts'
import type { Bindings } from '../bindings.ts'
import { type TenantHealth, tenantHealth } from '../queries/status.ts'
import { refusalCode } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

type Part = z.input<typeof StatusResponse>['parts'][number]

/** Whether what a tenant relies on works, part by part. A part that is down is the answer here, not a failure of it. */
export const status: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const [store, vault] = await Promise.all([
    withTenant(request, session, visit, tenantHealth).then((health) => healthParts(health, visit.now), storeDown),
    vaultPart(visit.bindings),
  ])
  const parts = [...store, vault]
  return answer(StatusResponse, { ok: parts.every(({ state }) => state === 'ok'), parts })
}

/** The verifier signs within minutes of a change and looks at every chain each night. */
const RECEIPT_STALE_MS = 26 * 60 * 60 * 1000

function healthParts(health: TenantHealth, now: number): Part[] {
  const { credentials, parked, incidents, newest_incident, receipt_size, receipt_at } = health
  return [
    { name: 'store', state: 'ok', detail: 'answers' },
    { name: 'connectors', state: parked === 0 ? 'ok' : 'degraded', detail: `${parked} of ${credentials} parked` },
    receiptPart(receipt_size, receipt_at, now),
    {
      name: 'incidents',
      state: incidents === 0 ? 'ok' : 'degraded',
      detail: incidents === 0 ? 'none open' : `${incidents} open, newest: ${newest_incident}`,
    },
  ]
}

function receiptPart(size: number | null, at: Date | null, now: number): Part {
  if (size === null || at === null) return { name: 'receipts', state: 'degraded', detail: 'none signed yet' }
  const state = now - at.getTime() <= RECEIPT_STALE_MS ? 'ok' : 'degraded'
  return { name: 'receipts', state, detail: `${size} rows, signed ${at.toISOString()}` }
}

function storeDown(error: unknown): Part[] {
  if (refusalCode(error) !== 'store_unreachable') throw error
  return [{ name: 'store', state: 'down', detail: 'does not answer' }]
}

async function vaultPart({ VAULT }: Bindings): Promise<Part> {
  try {
    const ready = await VAULT.ready()
    return ready.ok
      ? { name: 'vault', state: 'ok', detail: 'ready' }
      : { name: 'vault', state: 'down', detail: ready.code }
  } catch {
    return { name: 'vault', state: 'down', detail: 'does not answer' }
  }
}
