'use client'

import { PROVIDERS } from '../../domain/providers/registry.ts'
import type { TenantId } from '../data/schemas.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import type { Line } from './health.ts'

type DeleteDialogProps = {
  readonly line: Line
  readonly tenantId: TenantId
  readonly onClose: (done: boolean) => void
}

export function DeleteDialog({ line, tenantId, onClose }: DeleteDialogProps) {
  const { functions } = useWorkspace()
  const request = { tenant_id: tenantId, credential_id: line.id }
  return (
    <ActDialog
      title={`Delete ${line.label} ····${line.last4}?`}
      confirm="Delete for good"
      perform={(key) => functions.deleteCredential(request, key)}
      content={line.id}
      onClose={onClose}
    >
      {line.webhook_of === null ? (
        <p>
          The sealed token and its key are destroyed; nobody can bring them back. Polling of its sites ends, and the
          figures that are there stay. The key itself goes on living at {PROVIDERS[line.provider].label} until you
          revoke it there.
        </p>
      ) : (
        <p>
          From now on what {PROVIDERS[line.provider].label} signs with this secret is refused. Delete it once the next
          one is in use there.
        </p>
      )}
    </ActDialog>
  )
}
