'use client'

import { useCallback, useEffect, useState } from 'react'
import { AuditProofResponse } from '../data/schemas.ts'
import type { Answer } from '../data/wire.ts'
import { type InclusionFault, inclusionFault } from '../proof/inclusion.ts'
import type { LogCheck } from '../proof/log-check.ts'
import { useLogCheck } from '../proof/log-check-provider.tsx'
import type { Receipt } from '../proof/receipt.ts'
import { useWorkspace } from '../session/workspace.tsx'
import type { Row } from './acts.ts'

type Sound = Extract<LogCheck, { state: 'sound' }>
export type RowProof =
  | { readonly state: 'included'; readonly receipt: Receipt; readonly before: Sound['before']; readonly hashes: number }
  | { readonly state: 'not_signed_yet' }
  | { readonly state: 'receipt_broken'; readonly check: Exclude<LogCheck, { state: 'sound' }> }
  | { readonly state: 'row_broken'; readonly fault: InclusionFault; readonly receipt: Receipt }

/** Asks for the proof of one row and checks all of it here: signature, the path to the root, and what was seen before. */
export function useProof({ seq, hash }: Row): [Answer<RowProof> | null, () => void] {
  const { gateway } = useWorkspace()
  const { check } = useLogCheck()
  const [proof, setProof] = useState<Answer<RowProof> | null>(null)
  const [round, setRound] = useState(0)

  const prove = useCallback(async (): Promise<Answer<RowProof>> => {
    const answer = await gateway(`/api/audit/rows/${seq}/proof`, AuditProofResponse)
    if (!answer.ok) return answer.failure.code === 'not_signed_yet' ? sure({ state: 'not_signed_yet' }) : answer
    const checked = await check(answer.value.checkpoint)
    if (!checked.ok) return checked
    if (checked.value.state !== 'sound') return sure({ state: 'receipt_broken', check: checked.value })
    const { receipt, before } = checked.value
    const fault = inclusionFault({ seq, hash }, answer.value, receipt)
    if (fault !== null) return sure({ state: 'row_broken', fault, receipt })
    return sure({ state: 'included', receipt, before, hashes: answer.value.proof.length })
  }, [gateway, check, seq, hash])

  // A further round asks once more.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    let live = true
    setProof(null)
    void prove().then((answer) => {
      if (live) setProof(answer)
    })
    return () => {
      live = false
    }
  }, [prove, round])
  return [proof, () => setRound((past) => past + 1)]
}

function sure(value: RowProof): Answer<RowProof> {
  return { ok: true, value }
}
