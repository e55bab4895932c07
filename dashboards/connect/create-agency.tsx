'use client'

import { useRouter } from 'next/navigation'
import { type SubmitEvent, useRef, useState } from 'react'
import { needsCode } from '../data/failure-text.ts'
import { TenantId } from '../data/schemas.ts'
import type { Failure } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { FreshCode } from './fresh-code.tsx'

const MAX_NAME = 120
const DRAFT = 'flarewatch.tenant-draft'

/** First run. The id is ours and outlives a reload, so that a second try resumes the first one instead of making two. */
export function CreateAgency() {
  const { functions, tenants, refreshTenants, selectTenant } = useWorkspace()
  const { recheck } = useSession()
  const router = useRouter()
  const [failure, setFailure] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)
  const name = useRef<HTMLInputElement>(null)
  const pending = tenants?.find(({ state }) => state === 'pending')

  const create = async () => {
    setBusy(true)
    setFailure(null)
    const answer = await functions.createTenant(
      pending?.id ?? draftId(),
      name.current?.value ?? '',
      crypto.randomUUID(),
    )
    setBusy(false)
    if (!answer.ok) {
      if (answer.failure.code === 'tenant_id_taken') sessionStorage.removeItem(DRAFT)
      return setFailure(answer.failure)
    }
    sessionStorage.removeItem(DRAFT)
    selectTenant(answer.value.tenant.id)
    refreshTenants()
    router.push('/connect/')
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    void create()
  }
  const verified = async () => {
    await recheck()
    await create()
  }

  return (
    <Card title="Create your agency">
      <p>
        {pending === undefined
          ? 'An agency holds your clients’ sites, the keys to read them, and an audit log of every use of those keys.'
          : 'Creating this agency was begun but not finished. Create it again to go on where it stopped.'}
      </p>
      <form className="form" onSubmit={submit}>
        <div className="field">
          <label htmlFor="agency-name">Agency name</label>
          <input
            id="agency-name"
            ref={name}
            className="input"
            defaultValue={pending?.name}
            autoComplete="organization"
            maxLength={MAX_NAME}
            required
          />
        </div>
        {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
        <button type="submit" className="button button-primary" disabled={busy}>
          {busy ? 'Creating…' : 'Create agency'}
        </button>
      </form>
      <p className="fine">To join an agency that is there already, open the link of its invitation in your mail.</p>
      {failure !== null && needsCode(failure) && <FreshCode failure={failure} onVerified={verified} />}
    </Card>
  )
}

function draftId(): TenantId {
  const known = TenantId.safeParse(sessionStorage.getItem(DRAFT))
  if (known.success) return known.data
  const made = TenantId.parse(crypto.randomUUID())
  sessionStorage.setItem(DRAFT, made)
  return made
}
