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
  const running = useRef<AbortController | null>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: another agency is what ends a statement here
  useEffect(() => {
    setState({ name: 'idle' })
    return () => running.current?.abort()
  }, [tenantId])

  const run = async (statement: string) => {
    if (tenantId === null || running.current !== null) return
    const asked = new AbortController()
    running.current = asked
    setState({ name: 'running', statement })
    const answer = await functions.runStatement({ tenant_id: tenantId, statement }, asked.signal)
    running.current = null
    if (answer.ok) setState({ name: 'told', statement, answer: answer.value })
    else setState({ name: 'refused', statement, failure: answer.failure })
  }
  const cancel = useCallback(() => running.current?.abort(), [])
  return { state, run, cancel }
}
