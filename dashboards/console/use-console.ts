'use client'

import { useCallback, useEffect, useRef, useState } from 'react'
import type { StatementAnswer } from '../data/schemas.ts'
import type { Failure } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'

export type ConsoleState =
  | { readonly name: 'idle' }
  | { readonly name: 'running'; readonly statement: string }
  | { readonly name: 'refused'; readonly statement: string; readonly failure: Failure }
  | { readonly name: 'told'; readonly statement: string; readonly answer: StatementAnswer }

/** One statement at a time; leaving the page or the agency cancels it. */
export function useConsole() {
  const { functions, tenant } = useWorkspace()
  const tenantId = tenant?.id ?? null
  const [state, setState] = useState<ConsoleState>({ name: 'idle' })
  const running = useRef<string | null>(null)

  const cancel = useCallback(() => {
    if (tenantId === null || running.current === null) return
    void functions.sqlConsole({ tenant_id: tenantId, cancel: running.current })
  }, [functions, tenantId])

  useEffect(() => {
    setState({ name: 'idle' })
    return cancel
  }, [cancel])

  const run = async (statement: string) => {
    if (tenantId === null || running.current !== null) return
    const id = crypto.randomUUID()
    running.current = id
    setState({ name: 'running', statement })
    const answer = await functions.sqlConsole({ tenant_id: tenantId, statement_id: id, statement })
    running.current = null
    if (!answer.ok) setState({ name: 'refused', statement, failure: answer.failure })
    else if (answer.value.state !== 'cancelled') setState({ name: 'told', statement, answer: answer.value })
  }
  return { state, run, cancel }
}
