export { KekVersions } from './kek-versions.do.ts'
export { AuditLedger } from './ledger.do.ts'
export { LoginAnswers } from './login-answers.do.ts'
export { OperatorKeys } from './operator-keys.do.ts'
export { ProviderLimits } from './provider-limits.do.ts'
export { StepUpTokens } from './step-up-tokens.do.ts'
export { TenantRoster } from './tenant-roster.do.ts'

/** The objects are reached by RPC alone. */
export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler
