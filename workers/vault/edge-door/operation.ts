import type { z } from 'zod'
import type { EDGE_ERRORS, EdgeOperation, EdgeOperations } from '../../../domain/contracts/edge-door.ts'
import type { TenantId } from '../../../domain/contracts/ids.ts'
import { type JudgedAct, roleMay } from '../../../domain/contracts/roles.ts'
import type { Kek } from '../../../domain/envelope/kek.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import type { VerifiedUser } from '../../runtime/user-token.ts'
import type { AppendRefusal } from '../audit-append.ts'
import { currentKeks } from '../keks.ts'
import { type Membership, membershipOf } from '../members.ts'
import type { ReleaseRefusal } from '../release.ts'
import { rpcRefusal } from '../rpc-refusal.ts'
import type { Visit } from '../visit.ts'

export type EdgeRefusal = keyof typeof EDGE_ERRORS

/** A visit whose service JWT and user's JWT have been verified; at AAL2, but for recovery. */
export type EdgeVisit = Visit & { readonly user: VerifiedUser; readonly stepUpToken: string | null }

export type RequestOf<Name extends EdgeOperation> = z.output<(typeof EdgeOperations)[Name]['request']>
export type ResponseOf<Name extends EdgeOperation> = z.input<(typeof EdgeOperations)[Name]['response']>
export type Operation<Name extends EdgeOperation> = (
  visit: EdgeVisit,
  request: RequestOf<Name>,
) => Promise<Result<ResponseOf<Name>, EdgeRefusal>>

/** Whoever acts is a member whose role may do it, and the tenant has been born. */
export async function requireRoleFor(
  visit: EdgeVisit,
  tenantId: TenantId,
  action: JudgedAct,
): Promise<Result<Membership, 'not_a_member' | 'role_insufficient' | 'tenant_not_active' | 'store_unreachable'>> {
  const membership = await membershipOf(visit, tenantId, visit.user.userId)
  if (!membership.ok) return membership
  if (!roleMay(membership.value.role, action)) return failure('role_insufficient')
  if (membership.value.state !== 'active') return failure('tenant_not_active')
  return success(membership.value)
}

/**
 * Whether this isolate has the KEK version that wraps. One that was started before a rotation may lack it, and then says so
 * before anything is used up, so that the function asks again and meets another.
 */
export async function requireWrappingKek(visit: Visit): Promise<Result<Kek, EdgeRefusal>> {
  const ring = await currentKeks(visit)
  if (!ring.ok) return failure(edgeRefusal(ring.code))
  const kek = ring.value.wrapping()
  return kek.ok ? kek : failure(edgeRefusal(kek.code))
}

/** As wire codes of this door: a ledger that refuses is, to a function, a ledger that cannot be used now. */
export function edgeRefusal(code: ReleaseRefusal | AppendRefusal): EdgeRefusal {
  if (code === 'audit_key_missing') return 'tenant_not_active'
  if (code === 'kek_version_unknown') return code
  if (code === 'tenant_shredded') return 'tenant_deleted'
  const told = rpcRefusal(code)
  return told === 'ledger_refused' ? 'ledger_unreachable' : told
}
