'use client'

import { type ReactNode, type SubmitEvent, useEffect, useId, useRef, useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import type { Answer, Failure } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { FailureNotice } from '../shell/notice.tsx'

type ActDialogProps = {
  readonly title: string
  readonly confirm: string
  readonly children: ReactNode
  /** Does what the dialog shows. The key is the same for a repetition of the same content. */
  readonly perform: (key: string) => Promise<Answer<unknown>>
  /** Changes with the content of the request. */
  readonly content: string
  readonly onClose: (done: boolean) => void
}

/** One act with its confirmation. A code that is too old is asked for here, and the same act then goes on by itself. */
export function ActDialog({ title, confirm, children, perform, content, onClose }: ActDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const done = useRef(false)
  const id = useId()
  const { busy, failure, act } = useAct(perform, content)
  const { recheck } = useSession()
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal()
  }, [])

  const send = async () => {
    done.current = await act()
    if (done.current) dialog.current?.close()
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    void send()
  }
  const verified = async () => {
    await recheck()
    await send()
  }
  return (
    <dialog ref={dialog} className="dialog dialog-wide" aria-labelledby={id} onClose={() => onClose(done.current)}>
      <h2 id={id}>{title}</h2>
      <form className="form" onSubmit={submit} autoComplete="off">
        {children}
        {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
        <div className="actions">
          <button type="submit" className="button button-primary" disabled={busy}>
            {busy ? 'Under way…' : confirm}
          </button>
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
      {failure !== null && needsCode(failure) && <FreshCode failure={failure} onVerified={verified} />}
    </dialog>
  )
}

function useAct(perform: ActDialogProps['perform'], content: string) {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)
  const attempt = useRef<{ readonly content: string; readonly key: string } | null>(null)
  const act = async (): Promise<boolean> => {
    if (attempt.current?.content !== content) attempt.current = { content, key: crypto.randomUUID() }
    setBusy(true)
    setFailure(null)
    const answer = await perform(attempt.current.key)
    setBusy(false)
    if (!answer.ok) setFailure(answer.failure)
    return answer.ok
  }
  return { busy, failure, act }
}
