import { z } from 'zod'
import { toBase64 } from '../../../domain/bytes.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import type { Tenancy } from '../with-tenant.ts'
import { instant } from './instant.ts'

const MAX_RECEIPTS = 100

const digest = z.instanceof(Uint8Array).transform(toBase64)
const Row = z.object({ log: TenantId, size: z.int(), root: digest, chain_head: digest, at: instant })

/** The tenant's newest receipts. */
export async function listReceipts({ sql, tenantId }: Tenancy): Promise<z.output<typeof Row>[]> {
  const rows = await sql`
    select log, size, root, chain_head, at from flarewatch.receipts
    where log = ${tenantId}
    order by size desc limit ${MAX_RECEIPTS}`
  return z.array(Row).parse(rows)
}
