'use client'

import { useCallback, useMemo, useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import { CredentialsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { failed } from '../data/wire.ts'
import { useLogCheck } from '../proof/log-check-provider.tsx'
import { useSession } from '../session/session.tsx'
import { type Tenant, useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useShortcuts } from '../shell/shortcuts.ts'
import { actsOf } from './acts.ts'
import { AuditTable } from './audit-table.tsx'
import { FilterBar } from './filter-bar.tsx'
import { type Field, type Filters, filtersOf, optionsOf, searchOf, withFilter } from './filters.ts'
import { PrunedLine } from './pruned-line.tsx'
import { RowDialog, rowIn } from './row-dialog.tsx'
import { isFiltered, type Log, useLog } from './use-log.ts'
import { useSelectedRow } from './use-selected-row.ts'
import { VerifiedLine } from './verified-line.tsx'
import type { Names } from './words.ts'

const NAMES_POLL_MS = 5 * 60_000

/** A2: audit content is for a second factor. At AAL1 the page asks for one where the rows would be. */
export function AuditPage() {
  const { account, tenant } = useWorkspace()
  const { recheck } = useSession()
  return (
    <>
      <div className="page-head">
        <h1>Audit log</h1>
      </div>
      <VerifiedLine />
      <PrunedLine />
      {account.aal === 'aal1' && <FreshCode failure={failed('aal2_required').failure} onVerified={recheck} />}
      {account.aal === 'aal2' && tenant !== null && <AuditLog key={tenant.id} tenant={tenant} />}
    </>
  )
}

function AuditLog({ tenant }: { readonly tenant: Tenant }) {
  const [filters, setFilters] = useFilters()
  const names = useNames()
  const log = useLog(filters)
  const [selected, close] = useSelectedRow()
  const { refresh: refreshCheck } = useLogCheck()
  const { refresh: refreshLog } = log
  const refresh = useCallback(() => {
    refreshLog()
    refreshCheck()
  }, [refreshLog, refreshCheck])
  useShortcuts({ r: refresh })
  const { loaded } = log
  const seen = useMemo(() => {
    const values = (field: Field) => [...new Set(loaded?.rows.map((row) => row[field]) ?? [])]
    return { actor: values('actor'), action: values('action'), target: values('target') }
  }, [loaded])
  const listed =
    loaded === null || selected === null ? null : rowIn([...loaded.rows, ...loaded.endings], selected, loaded.at)
  return (
    <>
      <div className="audit-controls">
        <FilterBar
          filters={filters}
          optionsFor={(field) => optionsOf(field, filters, seen, { names, tenantId: tenant.id })}
          onFilter={(field, value) => setFilters(withFilter(filters, field, value))}
          onClear={() => setFilters({})}
        />
        <button
          type="button"
          className="button"
          onClick={refresh}
          disabled={log.busy}
          title="Read again (r). Each reading is a record itself."
        >
          Refresh
        </button>
      </div>
      <Rows log={log} names={names} filtered={isFiltered(filters)} />
      {selected !== null && (loaded !== null || log.failure !== null) && (
        <RowDialog seq={selected} listed={listed} names={names} onClose={close} />
      )}
    </>
  )
}

function Rows({ log, names, filtered }: { readonly log: Log; readonly names: Names; readonly filtered: boolean }) {
  const { loaded, failure, busy, refresh, loadMore } = log
  const { value: check } = useLogCheck()
  const signedTo = check?.state === 'sound' ? check.receipt.size : null
  const acts = useMemo(() => (loaded === null ? [] : actsOf(loaded.rows, loaded.endings, loaded.at)), [loaded])
  return (
    <>
      {failure !== null && <Trouble log={log} onRetry={loaded === null ? refresh : loadMore} />}
      {loaded === null && failure === null && (
        <div className="skeleton skeleton-table" role="status" aria-label="Loading" />
      )}
      {loaded !== null && acts.length === 0 && (
        <p className="empty" role="status">
          {filtered ? 'No record is of this kind. Choose another filter.' : 'There is no record yet.'}
        </p>
      )}
      {acts.length > 0 && <AuditTable acts={acts} names={names} signedTo={signedTo} />}
      {loaded !== null && loaded.next !== null && (
        <div className="actions">
          <button type="button" className="button" onClick={loadMore} disabled={busy}>
            {busy ? 'Loading…' : 'Show older rows'}
          </button>
        </div>
      )}
    </>
  )
}

function Trouble({ log: { failure }, onRetry }: { readonly log: Log; readonly onRetry: () => void }) {
  const { recheck } = useSession()
  if (failure === null) return null
  const verified = async () => {
    await recheck()
    onRetry()
  }
  if (needsCode(failure)) return <FreshCode failure={failure} onVerified={verified} />
  return <FailureNotice failure={failure} onRetry={onRetry} />
}

/** In the address, so that a list can be sent to a colleague; an open row closes with a change of them. */
function useFilters(): [Filters, (filters: Filters) => void] {
  const [filters, setFilters] = useState(() => filtersOf(location.search))
  const change = useCallback((next: Filters) => {
    history.replaceState(null, '', location.pathname + searchOf(next))
    setFilters(next)
  }, [])
  return [filters, change]
}

/** The log names credentials by id; their last four characters are on the credential line (V6). */
function useNames(): Names {
  const { gateway, tenant, userId } = useWorkspace()
  const { value } = usePolled(tenant?.id ?? '', NAMES_POLL_MS, () => gateway('/api/credentials', CredentialsResponse))
  return useMemo(
    () => ({ me: userId, credentials: new Map(value?.credentials.map(({ id, last4 }) => [id, last4])) }),
    [userId, value],
  )
}
