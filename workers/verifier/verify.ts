import type { TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { sqlStateOf } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import type { Finding } from './finding.ts'
import { raiseIncident } from './incidents.ts'
import { certifyShredding } from './shredding.ts'
import { type KnownTenant, takeCensus } from './tenants.ts'
import { type Instruments, type Scope, type Verdict, verifyTenant } from './verify-tenant.ts'

export type Summary = {
  readonly tenants: number
  readonly unmoved: number
  readonly sound: number
  readonly signed: number
  readonly findings: readonly { readonly tenantId: TenantId; readonly finding: Finding }[]
  /** Tenants that could not be looked at: a part did not answer. No receipt, and no accusation either. */
  readonly failed: readonly TenantId[]
}

/** One run over every tenant that either side names. What happens to one keeps none of the others from being checked. */
export async function verifyAll(tools: Instruments, roster: TenantRosterApi, scope: Scope): Promise<Summary> {
  const census = await takeCensus(tools.sql, roster, tools.at.getTime())
  const outcomes: { readonly tenant: KnownTenant; readonly verdict: Verdict | 'failed' }[] = []
  for (const tenant of census.tenants) outcomes.push({ tenant, verdict: await attempt(tools, tenant, scope) })

  const findings = [
    ...census.findings,
    ...outcomes.flatMap(({ tenant: { tenantId }, verdict }) =>
      verdict !== 'failed' && verdict.kind === 'finding' ? [{ tenantId, finding: verdict.finding }] : [],
    ),
  ]
  for (const { tenantId, finding } of findings) await raiseIncident(tools.sql, tenantId, finding, tools.at)

  const verdicts = outcomes.map(({ verdict }) => verdict).filter((verdict) => verdict !== 'failed')
  return {
    tenants: census.tenants.length,
    unmoved: verdicts.filter(({ kind }) => kind === 'unmoved').length,
    sound: verdicts.filter(({ kind }) => kind === 'sound').length,
    signed: verdicts.filter((verdict) => verdict.kind === 'sound' && verdict.signed !== null).length,
    findings,
    failed: outcomes.filter(({ verdict }) => verdict === 'failed').map(({ tenant }) => tenant.tenantId),
  }
}

async function attempt(tools: Instruments, tenant: KnownTenant, scope: Scope): Promise<Verdict | 'failed'> {
  try {
    const verdict = await verifyTenant(tools, tenant, scope)
    if (tenant.deletedAt === null || verdict.kind === 'finding') return verdict
    const finding = await certifyShredding(tools, tenant.tenantId)
    return finding === null ? verdict : { kind: 'finding', finding }
  } catch (error) {
    const sqlstate = sqlStateOf(error)
    const fields = { tenant_id: tenant.tenantId, ...(sqlstate === null ? {} : { sqlstate }) }
    log('verifier', 'error', 'chain.unverified', fields)
    return 'failed'
  }
}
