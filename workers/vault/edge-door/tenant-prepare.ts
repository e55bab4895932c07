import { randomBytes, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import type { TenantId, UserId } from '../../../domain/contracts/ids.ts'
import { wrapKey } from '../../../domain/envelope/wrap.ts'
import { failure, success } from '../../../domain/result.ts'
import { reach } from '../call.ts'
import { askLedger } from '../ledger.ts'
import type { Visit } from '../visit.ts'
import { edgeRefusal, type Operation, requireWrappingKek } from './operation.ts'

const FIRST_VERSION = 1
const KEY_BYTES = 32

/**
 * Birth, first half (flow 0): an audit key under the tenant's audit share. Taken up again, it gives what is stored. For
 * an id that another owner holds it gives a fresh wrap, which opens nothing: `privileged.begin_tenant` says that it is taken.
 */
export const tenantPrepare: Operation<'tenant-prepare'> = async (visit, { tenant_id }) => {
  const kek = await requireWrappingKek(visit)
  if (!kek.ok) return kek
  const stored = await reach('store_unreachable', () => storedWrap(visit, tenant_id, visit.user.userId))
  if (!stored.ok) return stored
  if (stored.value !== null) return success(stored.value)

  const given = await askLedger(visit.bindings, tenant_id, (ledger) => ledger.auditShare(tenant_id))
  if (!given.ok) return given
  if (!given.value.ok) return failure(edgeRefusal(given.value.code))
  const { share } = given.value
  const key = randomBytes(KEY_BYTES)
  try {
    const context = { purpose: 'audit-key', tenantId: tenant_id, keyVersion: FIRST_VERSION } as const
    const wrapped = await wrapKey({ kek: kek.value, share, context, key })
    return success({
      audit_key_version: FIRST_VERSION,
      kek_version: kek.value.version,
      wrapped_key: toBase64Url(wrapped),
    })
  } finally {
    zeroize(share)
    zeroize(key)
  }
}

async function storedWrap({ sql }: Visit, tenantId: TenantId, userId: UserId) {
  const [row] = await sql<{ version: number; kek_version: number; wrapped_key: Uint8Array }[]>`
    select k.version, k.kek_version, k.wrapped_key
    from flarewatch.audit_keys k join flarewatch.members m on m.tenant_id = k.tenant_id
    where k.tenant_id = ${tenantId} and m.user_id = ${userId}
    order by k.version desc limit 1`
  if (row === undefined) return null
  return {
    audit_key_version: row.version,
    kek_version: row.kek_version,
    wrapped_key: toBase64Url(row.wrapped_key),
  }
}
