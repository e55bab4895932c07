'use client'

import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react'
import { sessionEnded, sessionOver } from '../data/failure-text.ts'
import type { Functions } from '../data/functions.ts'
import { type Gateway, gatewayFor } from '../data/gateway.ts'
import { MeResponse, type TenantId, type UserId, type z } from '../data/schemas.ts'
import { forgetTraffic } from '../data/traffic.ts'
import { usePolled } from '../data/use-polled.ts'
import type { Failure } from '../data/wire.ts'
import type { Account, Auth } from './auth.ts'
import { useSession } from './session.tsx'

export type Tenant = z.infer<typeof MeResponse>['tenants'][number]
type Enrolled = Account & { readonly factorId: string }

export type Workspace = {
  readonly auth: Auth
  readonly functions: Functions
  readonly account: Enrolled
  /** Null until the first answer, as the agencies are. */
  readonly userId: UserId | null
  readonly gateway: Gateway
  /** Null until the first answer; what went wrong with it is in `failure`. */
  readonly tenants: readonly Tenant[] | null
  readonly failure: Failure | null
  /** The agency whose data is shown: one that is ready. */
  readonly tenant: Tenant | null
  readonly selectTenant: (id: TenantId) => void
  readonly refreshTenants: () => void
}

const WorkspaceContext = createContext<Workspace | null>(null)

export function useWorkspace(): Workspace {
  const workspace = useContext(WorkspaceContext)
  if (workspace === null) throw new Error('useWorkspace outside of WorkspaceProvider')
  return workspace
}

const MEMBERSHIP_POLL_MS = 5 * 60_000
const CHOICE = 'flarewatch.tenant'

type WorkspaceProps = {
  readonly auth: Auth
  readonly functions: Functions
  readonly account: Enrolled
  readonly children: ReactNode
}

export function WorkspaceProvider({ auth, functions, account, children }: WorkspaceProps) {
  const [chosen, setChosen] = useState<string | null>(() => localStorage.getItem(CHOICE))
  const gatewayOf = useGatewayOf(auth)
  const ask = useMemo(() => gatewayOf(null), [gatewayOf])
  const me = usePolled('me', MEMBERSHIP_POLL_MS, () => ask('/api/me', MeResponse))

  const tenants = me.value?.tenants ?? null
  const ready = tenants?.filter(({ state }) => state === 'active') ?? []
  const tenant = ready.find(({ id }) => id === chosen) ?? ready[0] ?? null
  const tenantId = tenant?.id ?? null
  const gateway = useMemo(() => gatewayOf(tenantId), [gatewayOf, tenantId])
  const selectTenant = useCallback((id: TenantId) => {
    localStorage.setItem(CHOICE, id)
    forgetTraffic()
    setChosen(id)
  }, [])

  const workspace: Workspace = {
    auth,
    functions,
    account,
    userId: me.value?.user.id ?? null,
    gateway,
    tenants,
    failure: me.failure,
    tenant,
    selectTenant,
    refreshTenants: me.refresh,
  }
  return <WorkspaceContext value={workspace}>{children}</WorkspaceContext>
}

/** A gateway that looks again who is signed in when an answer says that the session has ended or has no second factor. */
function useGatewayOf(auth: Auth): (tenantId: TenantId | null) => Gateway {
  const { recheck, leave } = useSession()
  return useCallback(
    (tenantId) => {
      return async (path, schema, method) => {
        const token = await auth.accessToken()
        const answer = await gatewayFor(token, tenantId)(path, schema, method)
        if (answer.ok) return answer
        const { failure } = answer
        if (sessionOver(failure)) {
          // A late answer to a session before this one ends nothing.
          if (token === (await auth.accessToken())) await leave(failure)
        } else if (sessionEnded(failure) || failure.code === 'totp_enrolment_required') await recheck()
        return answer
      }
    },
    [auth, recheck, leave],
  )
}
