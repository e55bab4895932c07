'use client'

import { useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import type { OperatorKey, z } from '../data/schemas.ts'
import type { Failure } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice, Notice } from '../shell/notice.tsx'
import { formatDateTime } from '../view/format.ts'
import { Fingerprint } from './fingerprint.tsx'
import type { Enrolment } from './link.ts'

type Enrolled = z.output<typeof OperatorKey.enrolled>
type EnrolKeyProps = { readonly enrolment: Enrolment; readonly onEnrolled: () => void }

/** The key that a link brought: compared by a person, then enrolled in this browser's own session. */
export function EnrolKey({ enrolment: { keyId, request }, onEnrolled }: EnrolKeyProps) {
  const { functions } = useWorkspace()
  const { recheck } = useSession()
  const [failure, setFailure] = useState<Failure | null>(null)
  const [enrolled, setEnrolled] = useState<Enrolled | null>(null)
  const [busy, setBusy] = useState(false)
  if (enrolled !== null) return <Notice>{endText(enrolled)}</Notice>

  const enrol = async () => {
    setBusy(true)
    setFailure(null)
    const answer = await functions.enrolOperatorKey(keyId, request)
    setBusy(false)
    if (!answer.ok) return setFailure(answer.failure)
    setEnrolled(answer.value)
    onEnrolled()
  }
  const verified = async () => {
    await recheck()
    await enrol()
  }
  return (
    <section className="notice" aria-label="A new operator key">
      <p>
        Enrol the operator key <Fingerprint keyId={keyId} />?
      </p>
      <p className="fine">
        Only if your command line shows the same fingerprint. Whoever holds this key and your sign-in can then reveal
        credentials of this agency.
      </p>
      {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
      {failure !== null && needsCode(failure) ? (
        <FreshCode failure={failure} onVerified={verified} />
      ) : (
        <button type="button" className="button button-primary" disabled={busy} onClick={() => void enrol()}>
          {busy ? 'Enrolling…' : 'The fingerprints are the same: enrol'}
        </button>
      )}
    </section>
  )
}

function endText({ state, active_at }: Enrolled): string {
  if (state === 'active') return 'The key is enrolled and active.'
  const from = active_at === null ? 'its owners have been mailed' : formatDateTime(Date.parse(active_at), 'UTC')
  return `The key is enrolled and waits until ${from}. Every owner is told by mail and can remove it.`
}
