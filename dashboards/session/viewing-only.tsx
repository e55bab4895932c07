'use client'

import { useState } from 'react'
import { CodeForm } from './code-form.tsx'
import { useSession } from './session.tsx'
import { useWorkspace } from './workspace.tsx'

/** Says that the session is at AAL1, and offers the way up. */
export function ViewingOnly() {
  const { auth, account } = useWorkspace()
  const { recheck } = useSession()
  const [open, setOpen] = useState(false)
  return (
    <section className="banner" aria-label="Viewing only">
      <p>
        <strong>Viewing only.</strong> Changes and the audit log need a code from your authenticator app.
      </p>
      {open ? (
        <CodeForm auth={auth} factorId={account.factorId} onVerified={recheck} autoFocus />
      ) : (
        <button type="button" className="button" onClick={() => setOpen(true)}>
          Enter a code
        </button>
      )}
    </section>
  )
}
