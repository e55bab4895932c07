'use client'

import { useRef, useState } from 'react'
import type { Answer, Failure } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'

type Withdraw = () => Promise<Answer<unknown>>

/** What an owner takes back, one at a time. It needs no permission, and where a code is missing it goes on after the code. */
export function useWithdrawal(onDone: () => void) {
  const { recheck } = useSession()
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)
  const stopped = useRef<Withdraw | null>(null)

  const run = async (withdraw: Withdraw) => {
    stopped.current = withdraw
    setBusy(true)
    setFailure(null)
    const answer = await withdraw()
    setBusy(false)
    if (!answer.ok) return setFailure(answer.failure)
    stopped.current = null
    onDone()
  }
  const resume = async () => {
    await recheck()
    if (stopped.current !== null) await run(stopped.current)
  }
  return { busy, failure, run, resume }
}
