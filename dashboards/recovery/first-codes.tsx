'use client'

import { useEffect, useState } from 'react'
import type { Functions } from '../data/functions.ts'
import type { Answer } from '../data/wire.ts'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { CodeList } from './code-list.tsx'

type FirstCodesProps = { readonly functions: Functions; readonly onKept: () => Promise<void> }

/** The last step of every enrolment: without codes, a lost device is a lost account. */
export function FirstCodes({ functions, onKept }: FirstCodesProps) {
  const [made, again] = useCodesOnce(functions)
  return (
    <Card title="Keep your recovery codes">
      {made === null && (
        <p role="status" className="fine">
          Making your codes…
        </p>
      )}
      {made?.ok === false && (
        <>
          <FailureNotice failure={made.failure} onRetry={again} />
          <p className="fine">
            Your authenticator app is set up. You can also make the codes later, on the page “Security”.
          </p>
          <button type="button" className="button" onClick={onKept}>
            Go on without codes
          </button>
        </>
      )}
      {made?.ok && <CodeList codes={made.value} onKept={onKept} />}
    </Card>
  )
}

function useCodesOnce(functions: Functions): [Answer<readonly string[]> | null, () => void] {
  const [made, setMade] = useState<Answer<readonly string[]> | null>(null)
  const [round, setRound] = useState(0)
  // A further round asks again.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    let live = true
    setMade(null)
    void makeOnce(functions).then((answer) => {
      if (live) setMade(answer)
    })
    return () => {
      live = false
    }
  }, [functions, round])
  return [made, () => setRound((past) => past + 1)]
}

/** Codes that are made twice at the same moment would leave a person with those that were replaced. */
let running: Promise<Answer<readonly string[]>> | null = null
function makeOnce(functions: Functions): Promise<Answer<readonly string[]>> {
  running ??= functions.makeRecoveryCodes().finally(() => {
    running = null
  })
  return running
}
