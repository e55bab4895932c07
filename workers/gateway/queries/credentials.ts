import { z } from 'zod'
import { CredentialLine } from '../../../domain/contracts/api.ts'
import type { Tenancy } from '../with-tenant.ts'
import { listHistories } from './histories.ts'
import { instant } from './instant.ts'

const MAX_CREDENTIALS = 1000

const Row = CredentialLine.omit({ history: true }).extend({
  last_used_at: instant.nullable(),
  last_success_at: instant.nullable(),
  created_at: instant,
  rotated_at: instant.nullable(),
  deleted_at: instant.nullable(),
  webhook: CredentialLine.shape.webhook.unwrap().extend({ last_received_at: instant.nullable() }).nullable(),
})

/** The credential line of V6: last four characters and scope. What is sealed is not granted to this Worker's role at all. */
export async function listCredentials(tenancy: Tenancy): Promise<z.input<typeof CredentialLine>[]> {
  const { sql, tenantId } = tenancy
  const rows = await sql`
    select c.id, c.provider, c.label, c.last4, c.scope, c.grade, to_jsonb(c.can) as can, to_jsonb(c.excess) as excess, c.state,
      c.reason, c.last_used_at, c.last_success_at, c.created_at, c.rotated_at, c.deleted_at, c.webhook_of,
      e.id as endpoint_id, e.provider as webhook_provider, e.accepted, e.last_received_at
    from flarewatch.credentials c
      left join flarewatch.webhook_endpoints e on e.tenant_id = c.tenant_id and e.credential_id = c.id
    where c.tenant_id = ${tenantId}
    order by c.created_at, c.id limit ${MAX_CREDENTIALS}`
  const histories = await listHistories(tenancy)
  return z
    .array(Row)
    .parse(rows.map(withWebhook))
    .map((line) => ({ ...line, history: histories.get(line.id) ?? null }))
}

function withWebhook({ endpoint_id, webhook_provider, accepted, last_received_at, ...line }: Record<string, unknown>) {
  const webhook = endpoint_id === null ? null : { endpoint_id, provider: webhook_provider, accepted, last_received_at }
  return { ...line, webhook }
}
