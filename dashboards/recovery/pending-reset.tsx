'use client'

import { useState } from 'react'
import type { Functions } from '../data/functions.ts'
import { usePolled } from '../data/use-polled.ts'
import type { Answer, Failure } from '../data/wire.ts'
import { FailureNotice } from '../shell/notice.tsx'
import { useNow } from '../shell/use-now.ts'
import { formatDateTime } from '../view/format.ts'

const POLL_MS = 60_000

type PendingResetProps = { readonly functions: Functions; readonly onFinished: () => Promise<void> }

/** What an owner asked for, to the person whose factor it is: cancelled at any time, finished once it is due. */
export function PendingReset({ functions, onFinished }: PendingResetProps) {
  const { value, failure, refresh } = usePolled('reset', POLL_MS, () => functions.pendingReset())
  const now = useNow()
  const [refused, setRefused] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)

  const act = async (ask: () => Promise<Answer<unknown>>, onDone: () => void | Promise<void>) => {
    setBusy(true)
    setRefused(null)
    const answer = await ask()
    setBusy(false)
    if (!answer.ok) return setRefused(answer.failure)
    await onDone()
  }
  if (value === null) return failure === null ? null : <FailureNotice failure={failure} onRetry={refresh} />
  const { reset } = value
  if (reset === null) return refused === null ? null : <FailureNotice failure={refused} />
  const due = Date.parse(reset.due_at)
  return (
    <section className="notice notice-ask" aria-label="A reset of your second factor">
      <p>
        An owner of {reset.tenant_name} asked to reset your second factor.{' '}
        {now < due ? `You can finish it from ${formatDateTime(due, 'UTC')} UTC on,` : 'You can finish it now,'} until{' '}
        {formatDateTime(Date.parse(reset.expires_at), 'UTC')} UTC.
      </p>
      <p className="fine">
        Did you not lose your authenticator and your recovery codes? Cancel it, then change your password.
      </p>
      {refused !== null && <FailureNotice failure={refused} />}
      <div className="actions">
        {now >= due && (
          <button
            type="button"
            className="button button-primary"
            disabled={busy}
            onClick={() => void act(() => functions.finishReset(), onFinished)}
          >
            Remove the lost authenticator
          </button>
        )}
        <button
          type="button"
          className="button"
          disabled={busy}
          onClick={() => void act(() => functions.cancelOwnReset(), refresh)}
        >
          Cancel the reset
        </button>
      </div>
    </section>
  )
}
