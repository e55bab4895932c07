'use client'

import { failureText } from '../data/failure-text.ts'
import type { Failure } from '../data/wire.ts'
import { CodeForm } from '../session/code-form.tsx'
import { useWorkspace } from '../session/workspace.tsx'

type FreshCodeProps = { readonly failure: Failure; readonly onVerified: () => Promise<void> }

/** Asks for a code where the act that needs it stopped; the act goes on by itself afterwards. */
export function FreshCode({ failure, onVerified }: FreshCodeProps) {
  const { auth, account } = useWorkspace()
  return (
    <section className="notice notice-ask" aria-label="A new code is needed">
      <p role="alert">{failureText(failure)}</p>
      <CodeForm auth={auth} factorId={account.factorId} onVerified={onVerified} autoFocus />
    </section>
  )
}
