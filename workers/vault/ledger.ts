import type { AuditLedgerApi, StepUpTokensApi, TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import { type OPERATOR_JTI_NAME, ROSTER_NAME, type SERVICE_JTI_NAME } from '../../domain/contracts/durable-objects.ts'
import type { TenantId, UserId } from '../../domain/contracts/ids.ts'
import { KEK_VERSIONS_NAME, type KekVersionsApi } from '../../domain/contracts/kek-versions.ts'
import type { OperatorKeysApi } from '../../domain/contracts/operator-keys.ts'
import type { Result } from '../../domain/result.ts'
import type { VaultBindings } from './bindings.ts'
import { reach } from './call.ts'

type Unreachable = 'ledger_unreachable'

/** Calls a tenant's ledger. An answer that does not come is a refusal: whether the row exists is then for the next call to see. */
export function askLedger<Value>(
  { AUDIT_LEDGER }: VaultBindings,
  tenantId: TenantId,
  ask: (ledger: AuditLedgerApi) => Promise<Value>,
): Promise<Result<Value, Unreachable>> {
  const call = async () => ask(AUDIT_LEDGER.get(AUDIT_LEDGER.idFromName(tenantId)))
  return reach('ledger_unreachable', call, { tenant_id: tenantId })
}

export function askRoster<Value>(
  { TENANT_ROSTER }: VaultBindings,
  ask: (roster: TenantRosterApi) => Promise<Value>,
): Promise<Result<Value, Unreachable>> {
  return reach('ledger_unreachable', async () => ask(TENANT_ROSTER.get(TENANT_ROSTER.idFromName(ROSTER_NAME))))
}

export function askKekVersions<Value>(
  { KEK_VERSIONS }: Pick<VaultBindings, 'KEK_VERSIONS'>,
  ask: (versions: KekVersionsApi) => Promise<Value>,
): Promise<Result<Value, Unreachable>> {
  return reach('ledger_unreachable', async () => ask(KEK_VERSIONS.get(KEK_VERSIONS.idFromName(KEK_VERSIONS_NAME))))
}

export function askOperatorKeys<Value>(
  { OPERATOR_KEYS }: VaultBindings,
  tenantId: TenantId,
  ask: (keys: OperatorKeysApi) => Promise<Value>,
): Promise<Result<Value, Unreachable>> {
  const call = async () => ask(OPERATOR_KEYS.get(OPERATOR_KEYS.idFromName(tenantId)))
  return reach('ledger_unreachable', call, { tenant_id: tenantId })
}

export function askStepUpTokens<Value>(
  { STEP_UP_TOKENS }: VaultBindings,
  name: UserId | typeof SERVICE_JTI_NAME | typeof OPERATOR_JTI_NAME,
  ask: (tokens: StepUpTokensApi) => Promise<Value>,
): Promise<Result<Value, Unreachable>> {
  return reach('ledger_unreachable', async () => ask(STEP_UP_TOKENS.get(STEP_UP_TOKENS.idFromName(name))))
}
