import { Refused } from './errors.ts'
import type { Proofs, Vault } from './vault-client.ts'

export type Intent = { readonly tenant_id: string; readonly intent_row: string }
const TRIES = 2

/** Runs what an intent row announced and leaves its outcome row, whichever way it went. The error, if any, is the act's own. */
export async function withOutcome<Value>(
  vault: Vault<'settle'>,
  intent: Intent,
  proofs: Proofs,
  success: string,
  act: () => Promise<Value>,
): Promise<Value> {
  const settle = (succeeded: boolean, code: string) => recordOutcome(vault, { ...intent, succeeded, code }, proofs)
  try {
    const value = await act()
    await settle(true, success)
    return value
  } catch (error) {
    await settle(false, error instanceof Refused ? error.code : 'internal')
    throw error
  }
}

/** A failure to record does not undo an act that happened: without an outcome row it shows as "unknown" after 10 minutes. */
export async function recordOutcome(
  vault: Vault<'settle'>,
  outcome: Intent & { readonly succeeded: boolean; readonly code: string },
  { userJwt, requestId }: Proofs,
): Promise<void> {
  for (let tries = TRIES; tries > 0; tries -= 1) {
    try {
      await vault('settle', outcome, { userJwt, requestId })
      return
    } catch (error) {
      const code = error instanceof Refused ? error.code : 'internal'
      console.error(
        JSON.stringify({ event: 'outcome_not_recorded', request_id: requestId, intent_row: outcome.intent_row, code }),
      )
    }
  }
}
