import { z } from 'zod'
import { AuditOrder, AuditResponse, MAX_FILTER_CHARACTERS } from '../../../domain/contracts/api.ts'
import type { AuditQuery, GatewayDoorRefusal, UnsealedAudit } from '../../../domain/contracts/gateway-door.ts'
import type { Bindings } from '../bindings.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { vaultsRefusal } from '../vaults-refusal.ts'
import { answer, type Handler, parseQuery } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)
const filter = z.string().min(1).max(MAX_FILTER_CHARACTERS).optional()
const Query = z.strictObject({
  after_seq: wholeNumber.default(0),
  before_seq: wholeNumber.optional(),
  order: AuditOrder.default('oldest'),
  actor: filter,
  action: filter,
  target: filter,
  limit: wholeNumber.pipe(z.int().min(1).max(MAX_LIMIT)).default(DEFAULT_LIMIT),
})

/** Audit content (A2: AAL2). The vault checks token, AAL and membership once more by itself, and records the reading. */
export const audit: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const query = parseQuery(visit.url, Query)
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  const tenantId = await withTenant(request, session, visit, async (tenancy) => tenancy.tenantId)
  const unsealed = await unseal(visit.bindings, session.jwt, {
    tenantId,
    afterSeq: query.after_seq,
    beforeSeq: query.before_seq ?? null,
    order: query.order,
    actor: query.actor ?? null,
    action: query.action ?? null,
    target: query.target ?? null,
    limit: query.limit,
  })
  if (!unsealed.ok) throw new Refusal(vaultsRefusal(unsealed.code))
  return answer(AuditResponse, {
    rows: [...unsealed.rows],
    next_after_seq: unsealed.nextAfterSeq,
    next_before_seq: unsealed.nextBeforeSeq,
  })
}

async function unseal(
  { VAULT }: Bindings,
  jwt: string,
  query: AuditQuery,
): Promise<UnsealedAudit | GatewayDoorRefusal> {
  try {
    return await VAULT.unsealAudit(jwt, query)
  } catch {
    throw new Refusal('vault_unreachable')
  }
}
