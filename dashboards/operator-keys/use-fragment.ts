'use client'

import { useEffect, useState } from 'react'
import { useWorkspace } from '../session/workspace.tsx'

/** What the link that led here says behind its `#`. Undefined while the page is not in a browser yet; null when it says nothing. */
export function useFragment<Value>(parse: (fragment: string) => Value | null): Value | null | undefined {
  const [value, setValue] = useState<Value | null | undefined>(undefined)
  useEffect(() => {
    const read = () => setValue(parse(location.hash))
    read()
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [parse])
  return value
}

/** The agency that a link names becomes the one that is shown. False where the person is not a member of it. */
export function useTenantOf(tenantId: string | undefined): boolean {
  const { tenants, tenant, selectTenant } = useWorkspace()
  const named = tenants?.find(({ id, state }) => id === tenantId && state === 'active')
  useEffect(() => {
    if (named !== undefined && named.id !== tenant?.id) selectTenant(named.id)
  }, [named, tenant, selectTenant])
  return named !== undefined
}
