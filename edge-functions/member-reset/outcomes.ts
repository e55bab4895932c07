import { type Intent, withOutcome } from '../_shared/outcome.ts'
import type { Proofs, Vault } from '../_shared/vault-client.ts'

/** The same act's outcome in each agency's log. */
export function withOutcomes<Value>(
  vault: Vault<'settle'>,
  intents: readonly Intent[],
  proofs: Proofs,
  success: string,
  act: () => Promise<Value>,
): Promise<Value> {
  const announced = intents.reduce((inner, intent) => () => withOutcome(vault, intent, proofs, success, inner), act)
  return announced()
}
