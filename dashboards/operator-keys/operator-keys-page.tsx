'use client'

import { usePolled } from '../data/use-polled.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { EnrolKey } from './enrol-key.tsx'
import { KeyTable } from './key-table.tsx'
import { enrolmentOf } from './link.ts'
import { useFragment, useTenantOf } from './use-fragment.ts'

const KEY_POLL_MS = 60_000

export function OperatorKeysPage() {
  const { functions, tenant } = useWorkspace()
  const enrolment = useFragment(enrolmentOf)
  const isMember = useTenantOf(enrolment?.request.tenant_id)
  const { value, failure, refresh } = usePolled(tenant?.id ?? '', KEY_POLL_MS, async () =>
    tenant === null ? failed('tenant_not_active') : functions.operatorKeys(tenant.id),
  )
  return (
    <>
      <div className="page-head">
        <h1>Operator keys</h1>
      </div>
      <p>
        A stored credential is revealed to an operator key alone: sealed to it, and opened on the command line of the
        person who holds it. Make yours with <code>flarewatch operator enrol</code>.
      </p>
      {enrolment && isMember && <EnrolKey enrolment={enrolment} onEnrolled={refresh} />}
      {enrolment && !isMember && <FailureNotice failure={failed('not_a_member').failure} />}
      {failure !== null && <FailureNotice failure={failure} onRetry={refresh} />}
      {value?.keys.length === 0 && (
        <div className="empty">
          <p>No operator key is enrolled yet, so nothing can be revealed.</p>
        </div>
      )}
      {value !== null && value.keys.length > 0 && <KeyTable keys={value.keys} onRemoved={refresh} />}
    </>
  )
}
