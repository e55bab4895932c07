import { z } from 'zod'
import type { IncidentState } from '../../../domain/contracts/api.ts'
import type { Tenancy } from '../with-tenant.ts'
import { instant } from './instant.ts'

const MAX_INCIDENTS = 100

const Row = z.object({
  id: z.uuid(),
  kind: z.string(),
  seq: z.int().nullable(),
  part: z.string(),
  at: instant,
  acknowledged_at: instant.nullable(),
})
export type Incidents = {
  readonly incidents: z.output<typeof Row>[]
  readonly open: number
  readonly more: boolean
}

/** The tenant's newest incidents. Their detail stays inside: it names hashes and ids that nobody acts by here. */
export async function listIncidents({ sql, tenantId }: Tenancy, state: IncidentState): Promise<Incidents> {
  const rows = await sql`
    select id, kind, seq, part, at, acknowledged_at from flarewatch.incidents
    where tenant_id = ${tenantId} ${state === 'open' ? sql`and acknowledged_at is null` : sql``}
    order by at desc, id limit ${MAX_INCIDENTS + 1}`
  const [counted] = await sql`
    select count(*) as open from flarewatch.incidents where tenant_id = ${tenantId} and acknowledged_at is null`
  const incidents = z.array(Row).parse(rows.slice(0, MAX_INCIDENTS))
  return { incidents, open: z.object({ open: z.int() }).parse(counted).open, more: rows.length > MAX_INCIDENTS }
}
