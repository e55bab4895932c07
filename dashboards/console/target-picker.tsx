'use client'

import { SitesResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import type { Project } from './use-console.ts'

const SITES_POLL_MS = 300_000

type TargetPickerProps = { readonly project: Project; readonly onProject: (project: Project) => void }

/** The agency's warehouse, or one of its clients' Supabase projects; nothing to pick where there is no project. */
export function TargetPicker({ project, onProject }: TargetPickerProps) {
  const { gateway, tenant } = useWorkspace()
  const { value } = usePolled(tenant?.id ?? '', SITES_POLL_MS, () => gateway('/api/sites', SitesResponse))
  const sites = value?.sites.filter(({ provider }) => provider === 'supabase') ?? []
  if (sites.length === 0) return null
  const pick = (siteId: string) => {
    const site = sites.find(({ id }) => id === siteId)
    onProject(site === undefined ? null : { credential_id: site.credential_id, site_id: site.id })
  }
  return (
    <>
      <label htmlFor="target">Target</label>
      <select
        id="target"
        className="input console-target"
        value={project?.site_id ?? ''}
        onChange={({ target }) => pick(target.value)}
      >
        <option value="">Warehouse of the agency</option>
        {sites.map(({ id, name }) => (
          <option key={id} value={id}>
            {name} (Supabase)
          </option>
        ))}
      </select>
    </>
  )
}
