'use client'

import { useCallback, useEffect, useRef, useState } from 'react'
import type { StatementAnswer, StatementRun } from '../data/schemas.ts'
import type { Failure } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'

/** A client's Supabase project; null for the agency's own warehouse. */
export type Project = NonNullable<StatementRun['project']> | null
export type ConsoleState =
  | { readonly name: 'idle' }
  | { readonly name: 'running'; readonly statement: string }
  | { readonly name: 'refused'; readonly statement: string; readonly failure: Failure }
  | { readonly name: 'told'; readonly statement: string; readonly answer: StatementAnswer }

type Running = { readonly id: string; readonly project: Project; readonly gone: AbortController }

/** One statement at a time; leaving the page or the agency cancels it. */
export function useConsole() {
  const { functions, tenant } = useWorkspace()
  const tenantId = tenant?.id ?? null
  const [state, setState] = useState<ConsoleState>({ name: 'idle' })
  const running = useRef<Running | null>(null)

  const cancel = useCallback(() => {
    if (tenantId === null || running.current === null) return
    const { id, project, gone } = running.current
    // A project's statement is waited for by one request alone, and has no session of ours to end.
    if (project === null) void functions.sqlConsole({ tenant_id: tenantId, cancel: id })
    else gone.abort()
  }, [functions, tenantId])

  useEffect(() => {
    setState({ name: 'idle' })
    return cancel
  }, [cancel])

  const run = async (statement: string, project: Project) => {
    if (tenantId === null || running.current !== null) return
    const gone = new AbortController()
    const id = crypto.randomUUID()
    running.current = { id, project, gone }
    setState({ name: 'running', statement })
    const request = { tenant_id: tenantId, statement_id: id, statement, ...(project === null ? {} : { project }) }
    const answer = await functions.sqlConsole(request, gone.signal)
    running.current = null
    if (gone.signal.aborted) setState({ name: 'told', statement, answer: CANCELLED })
    else if (!answer.ok) setState({ name: 'refused', statement, failure: answer.failure })
    else if (answer.value.state !== 'cancelled') setState({ name: 'told', statement, answer: answer.value })
  }
  return { state, run, cancel }
}

const CANCELLED: StatementAnswer = {
  state: 'failed',
  code: 'statement_cancelled',
  message: 'The statement is no longer waited for. Supabase may run it to its own time limit.',
  sqlstate: null,
  position: null,
}
