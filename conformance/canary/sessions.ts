import { type Person, signInAgain, stepUpToAal2 } from '../person.ts'
import type { RunFile } from '../run-file.ts'
import { CanaryFailed } from './arguments.ts'

/** Everyone that the walk is: nobody, the demo's owner with a password alone, and the same at AAL2. */
export type Sessions = { readonly aal1: Person; readonly aal2: Person; readonly tenantId: string }

export async function openSessions(run: RunFile): Promise<Sessions> {
  if (run.demo === undefined) throw new CanaryFailed('no_demo', 'the stack has no demo account to sign in with yet')
  const { totp_secret, tenant_id } = run.demo
  const [aal1, aal2] = [await signInAgain(run, run.demo), await signInAgain(run, run.demo)]
  await stepUpToAal2(aal2, totp_secret)
  return { aal1, aal2, tenantId: tenant_id }
}
