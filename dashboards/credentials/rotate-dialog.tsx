'use client'

import { useRef, useState } from 'react'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { CONNECT_HELP } from '../connect/instructions.tsx'
import type { TenantId } from '../data/schemas.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import type { Line } from './health.ts'

const MAX_SECRET = 512
type RotateDialogProps = {
  readonly line: Line
  readonly tenantId: TenantId
  readonly onClose: (done: boolean) => void
}

/** The field itself holds the token: it never becomes part of React's state. */
export function RotateDialog({ line, tenantId, onClose }: RotateDialogProps) {
  const { functions } = useWorkspace()
  const { label: provider, grading } = PROVIDERS[line.provider]
  const field = useRef<HTMLInputElement>(null)
  const [edits, setEdits] = useState(0)
  const perform = async (key: string) => {
    const secret = field.current?.value.trim() ?? ''
    const shape = grading.judgeShape(secret)
    if (!shape.ok) return failed(shape.code)
    const request = { tenant_id: tenantId, credential_id: line.id, provider: line.provider, secret }
    const answer = await functions.rotateCredential(request, key)
    if (answer.ok && field.current !== null) field.current.value = ''
    return answer
  }
  return (
    <ActDialog
      title={`Replace the token of ${line.label}`}
      confirm="Replace token"
      perform={perform}
      content={String(edits)}
      onClose={onClose}
    >
      <p>
        The new key is checked with {provider} first. Then it takes the place of <code>····{line.last4}</code>, which is
        gone for good. Polling goes on; revoke the old one at {provider} afterwards.
      </p>
      <div className="field">
        <label htmlFor="new-token">New {CONNECT_HELP[line.provider].keyName}</label>
        <input
          id="new-token"
          ref={field}
          type="password"
          className="input"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-1p-ignore
          data-lpignore="true"
          maxLength={MAX_SECRET}
          onInput={() => setEdits(edits + 1)}
          required
        />
      </div>
    </ActDialog>
  )
}
