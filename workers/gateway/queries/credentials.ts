import { z } from 'zod'
import { CredentialLine } from '../../../domain/contracts/api.ts'
import type { Tenancy } from '../with-tenant.ts'
import { instant } from './instant.ts'

const MAX_CREDENTIALS = 1000

const Row = CredentialLine.extend({
  last_used_at: instant.nullable(),
  last_success_at: instant.nullable(),
  created_at: instant,
  rotated_at: instant.nullable(),
  deleted_at: instant.nullable(),
})

/** The credential line of V6: last four characters and scope. What is sealed is not granted to this Worker's role at all. */
export async function listCredentials({ sql, tenantId }: Tenancy): Promise<z.input<typeof CredentialLine>[]> {
  const rows = await sql`
    select id, provider, label, last4, scope, grade, to_jsonb(can) as can, to_jsonb(excess) as excess, state, reason, last_used_at, last_success_at, created_at,
      rotated_at, deleted_at
    from flarewatch.credentials
    where tenant_id = ${tenantId}
    order by created_at, id limit ${MAX_CREDENTIALS}`
  return z.array(Row).parse(rows)
}
