'use client'

import { useRef, useState } from 'react'
import type { DigestedRequest } from '../../domain/contracts/request-digest.ts'
import type { StepUpAction } from '../../domain/contracts/step-up.ts'
import type { Proof } from '../data/functions.ts'
import type { TenantId } from '../data/schemas.ts'
import type { Answer, Failure } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'

type Act = {
  readonly action: StepUpAction
  readonly targetId: string
  readonly request: DigestedRequest & { readonly tenant_id: TenantId }
  readonly send: (proof: Proof) => Promise<Answer<unknown>>
}

/**
 * One act on the agency's people at a time: permission for it, then itself. Where a code is missing, it goes on after the code; where it
 * is asked for again after a failure it keeps its key, so that a lost answer does not do it twice.
 */
export function useMemberAct(onDone: () => void) {
  const { functions } = useWorkspace()
  const { recheck } = useSession()
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)
  const stopped = useRef<{ readonly act: Act; readonly key: string } | null>(null)

  const attempt = async (act: Act, key: string) => {
    stopped.current = { act, key }
    setBusy(true)
    setFailure(null)
    const permission = await functions.stepUp({ action: act.action, target_id: act.targetId }, act.request)
    const answer = permission.ok ? await act.send({ stepUp: permission.value.token, key }) : permission
    setBusy(false)
    if (!answer.ok) return setFailure(answer.failure)
    stopped.current = null
    onDone()
  }
  const run = (act: Act) => {
    const past = stopped.current
    return attempt(act, past !== null && isSame(past.act, act) ? past.key : crypto.randomUUID())
  }
  const resume = async () => {
    await recheck()
    if (stopped.current !== null) await attempt(stopped.current.act, stopped.current.key)
  }
  return { busy, failure, run, resume }
}

function isSame(one: Act, other: Act): boolean {
  return one.action === other.action && JSON.stringify(one.request) === JSON.stringify(other.request)
}
