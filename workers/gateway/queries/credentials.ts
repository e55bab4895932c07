import { z } from 'zod'
import { CredentialHealth, CredentialLine } from '../../../domain/contracts/api.ts'
import type { Tenancy } from '../with-tenant.ts'
import { listHistories } from './histories.ts'
import { instant } from './instant.ts'

const MAX_CREDENTIALS = 1000
const SHOWN_DAYS = 30

const Row = CredentialLine.omit({ history: true }).extend({
  last_used_at: instant.nullable(),
  last_success_at: instant.nullable(),
  created_at: instant,
  rotated_at: instant.nullable(),
  deleted_at: instant.nullable(),
  webhook: CredentialLine.shape.webhook
    .unwrap()
    .extend({ last_received_at: instant.nullable(), reconciled_until: instant.nullable() })
    .nullable(),
  health: CredentialHealth.extend({
    last_run: CredentialHealth.shape.last_run.unwrap().extend({ ended_at: instant }).nullable(),
    complete_until: instant.nullable(),
    next_run_at: instant.nullable(),
  }).nullable(),
})

/** The credential line of V6: last four characters and scope. What is sealed is not granted to this Worker's role at all. */
export async function listCredentials(tenancy: Tenancy, at: Date): Promise<z.input<typeof CredentialLine>[]> {
  const { sql, tenantId } = tenancy
  const rows = await sql`
    select c.id, c.provider, c.label, c.last4, c.scope, c.grade, to_jsonb(c.can) as can, to_jsonb(c.excess) as excess, c.state,
      c.reason, c.last_used_at, c.last_success_at, c.created_at, c.rotated_at, c.deleted_at, c.webhook_of,
      e.id as endpoint_id, e.provider as webhook_provider, e.accepted, e.last_received_at, e.reconciled_until, e.reconcile_code,
      counted.days,
      h.credential_id as polled, h.run_state, h.reason as run_reason, h.ended_at, h.complete_until, h.lag_seconds, h.next_run_at,
      h.runs, h.incomplete, h.budget_left
    from flarewatch.credentials c
      left join flarewatch.webhook_endpoints e on e.tenant_id = c.tenant_id and e.credential_id = c.id
      left join flarewatch.credential_health(${at}) h on h.credential_id = c.id
      left join lateral (
        select coalesce(jsonb_agg(jsonb_build_object(
          'day', newest.day, 'delivered', newest.delivered, 'duplicates', newest.duplicates, 'gaps', newest.gaps
        ) order by newest.day desc), '[]') as days
        from (
          select d.day, d.delivered, d.duplicates, d.gaps from flarewatch.webhook_days d
          where d.endpoint_id = e.id order by d.day desc limit ${SHOWN_DAYS}
        ) as newest
      ) as counted on e.id is not null
    where c.tenant_id = ${tenantId}
    order by c.created_at, c.id limit ${MAX_CREDENTIALS}`
  const histories = await listHistories(tenancy)
  return z
    .array(Row)
    .parse(rows.map(nested))
    .map((line) => ({ ...line, history: histories.get(line.id) ?? null }))
}

function nested({
  endpoint_id,
  webhook_provider,
  accepted,
  last_received_at,
  reconciled_until,
  reconcile_code,
  days,
  ...row
}: Record<string, unknown>) {
  const came = { accepted, last_received_at, reconciled_until, reconcile_code, days }
  const webhook = endpoint_id === null ? null : { endpoint_id, provider: webhook_provider, ...came }
  return { ...row, webhook, health: row.polled === null ? null : healthOf(row) }
}

function healthOf({ run_state, run_reason, ended_at, runs, incomplete, budget_left, ...row }: Record<string, unknown>) {
  return {
    ...row,
    last_run: ended_at === null ? null : { state: run_state, reason: run_reason, ended_at },
    error_budget: { runs, incomplete, left: budget_left },
  }
}
