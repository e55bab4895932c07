'use client'

import { useCallback, useEffect, useState } from 'react'
import type { Gateway } from '../data/gateway.ts'
import { AuditResponse, type z } from '../data/schemas.ts'
import type { Answer, Failure } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import type { Row } from './acts.ts'
import { FIELDS, type Filters, searchOf } from './filters.ts'

type Page = z.infer<typeof AuditResponse>
export type Loaded = {
  readonly rows: readonly Row[]
  /** Where the next page starts; null at the log's beginning. */
  readonly next: number | null
}
export type Log = {
  readonly loaded: Loaded | null
  readonly failure: Failure | null
  readonly busy: boolean
  readonly loadMore: () => void
  readonly refresh: () => void
}

const PAGE_ROWS = 50

type State = Pick<Log, 'loaded' | 'failure' | 'busy'> & { readonly key: string }
const startOf = (key: string): State => ({ key, loaded: null, failure: null, busy: true })

/** Newest first, a page at a time. Never by itself: each reading is a record in the log that is read. */
export function useLog(filters: Filters): Log {
  const { gateway, tenant } = useWorkspace()
  const key = `${tenant?.id} ${searchOf(filters)}`
  const [state, setState] = useState<State>(() => startOf(key))
  const [round, setRound] = useState(0)
  const own = state.key === key ? state : startOf(key)

  const load = useCallback(
    async (known: Loaded | null, isLive: () => boolean) => {
      setState((past) => ({ ...(past.key === key ? past : startOf(key)), failure: null, busy: true }))
      const answer = await readPage(gateway, filtersIn(key), known)
      if (!isLive()) return
      setState((past) => {
        if (past.key !== key) return past
        return answer.ok
          ? { key, loaded: answer.value, failure: null, busy: false }
          : { ...past, failure: answer.failure, busy: false }
      })
    },
    [gateway, key],
  )
  // `round` is what a wish to refresh changes.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    let live = true
    void load(null, () => live)
    return () => {
      live = false
    }
  }, [load, round])

  const refresh = useCallback(() => setRound((past) => past + 1), [])
  const loadMore = useCallback(() => void load(own.loaded, () => true), [load, own.loaded])
  return { loaded: own.loaded, failure: own.failure, busy: own.busy, loadMore, refresh }
}

function filtersIn(key: string): URLSearchParams {
  return new URLSearchParams(key.slice(key.indexOf(' ') + 1))
}

/** The page after what is known. */
async function readPage(gateway: Gateway, filters: URLSearchParams, known: Loaded | null): Promise<Answer<Loaded>> {
  const query = new URLSearchParams(filters)
  if (known?.next != null) query.set('before_seq', String(known.next))
  query.set('order', 'newest')
  query.set('limit', String(PAGE_ROWS))
  const page = await read(gateway, query)
  if (!page.ok) return page
  const { rows, next_before_seq: next } = page.value
  return { ok: true, value: { rows: [...(known?.rows ?? []), ...rows], next } }
}

/** One row, or null where the log does not have it. */
export async function readRow(gateway: Gateway, seq: number): Promise<Answer<Row | null>> {
  const query = new URLSearchParams({ after_seq: String(seq - 1), before_seq: String(seq + 1), limit: '1' })
  const page = await read(gateway, query)
  return page.ok ? { ok: true, value: page.value.rows[0] ?? null } : page
}

function read(gateway: Gateway, query: URLSearchParams): Promise<Answer<Page>> {
  return gateway(`/api/audit?${query}`, AuditResponse)
}

export function isFiltered(filters: Filters): boolean {
  return FIELDS.some((field) => filters[field] !== undefined)
}
