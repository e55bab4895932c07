'use client'

import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import type { Failure } from '../data/wire.ts'
import { FailureNotice } from '../shell/notice.tsx'

type ActFailureProps = { readonly failure: Failure | null; readonly onVerified: () => Promise<void> }

export function ActFailure({ failure, onVerified }: ActFailureProps) {
  if (failure === null) return null
  return needsCode(failure) ? (
    <FreshCode failure={failure} onVerified={onVerified} />
  ) : (
    <FailureNotice failure={failure} />
  )
}
