'use client'

import { type KeyboardEvent, type SubmitEvent, useRef, useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import { MAX_STATEMENT_BYTES } from '../data/schemas.ts'
import { useSession } from '../session/session.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { History } from './history.tsx'
import { ResultTable } from './result-table.tsx'
import { StatementError } from './statement-error.tsx'
import { TargetPicker } from './target-picker.tsx'
import { type ConsoleState, type Project, useConsole } from './use-console.ts'

const EXAMPLE = `select s.name, date_trunc('day', m.window_start) as day, sum(m.value) as requests
from warehouse.metrics_hourly m join warehouse.sites s using (site_id)
where m.metric = 'requests'
group by 1, 2
order by 2 desc, 1`

export function ConsolePage() {
  const { state, run, cancel } = useConsole()
  const { recheck } = useSession()
  const [project, setProject] = useState<Project>(null)
  const editor = useRef<HTMLTextAreaElement>(null)
  const send = () => {
    const statement = editor.current?.value ?? ''
    if (statement.trim() !== '') void run(statement, project)
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    send()
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    send()
  }
  const verified = async () => {
    await recheck()
    if (state.name === 'refused') await run(state.statement, project)
  }
  const reuse = (statement: string) => {
    if (editor.current === null) return
    editor.current.value = statement
    editor.current.focus()
  }
  /** The example asks the warehouse: no client's database would answer it. */
  const aim = (next: Project) => {
    setProject(next)
    if (editor.current === null) return
    const { value } = editor.current
    if (next !== null && value === EXAMPLE) editor.current.value = ''
    if (next === null && value === '') editor.current.value = EXAMPLE
  }
  const isRunning = state.name === 'running'

  return (
    <>
      <div className="page-head">
        <h1>SQL console</h1>
      </div>
      <form className="console" onSubmit={submit}>
        <TargetPicker project={project} onProject={aim} />
        <label htmlFor="statement">
          {project === null ? 'One SELECT over your agency’s warehouse' : 'One SELECT over the client’s database'}
        </label>
        <textarea
          id="statement"
          ref={editor}
          className="input console-editor"
          defaultValue={EXAMPLE}
          rows={7}
          maxLength={MAX_STATEMENT_BYTES}
          spellCheck={false}
          autoCapitalize="none"
          autoComplete="off"
          aria-describedby="console-hint"
          onKeyDown={onKey}
        />
        <p id="console-hint" className="fine">
          {project === null ? <WarehouseHint /> : <ProjectHint />} Read only, 10 seconds, 10,000 rows, 5 MB. Ctrl+Enter
          runs it. Each statement is recorded in the audit log.
        </p>
        <div className="actions">
          <button type="submit" className="button button-primary" disabled={isRunning}>
            {isRunning ? 'Running…' : 'Run'}
          </button>
          {isRunning && (
            <button type="button" className="button" onClick={cancel}>
              Cancel
            </button>
          )}
        </div>
      </form>
      <Told state={state} onVerified={verified} />
      <History onReuse={reuse} />
    </>
  )
}

function WarehouseHint() {
  return (
    <>
      Views: <code>sites</code>, <code>metrics_hourly</code>, <code>metrics_daily</code>, <code>top_daily</code>,{' '}
      <code>runs</code>, <code>findings</code>.
    </>
  )
}

function ProjectHint() {
  return (
    <>
      It is sent with the agency’s key to Supabase’s read-only endpoint, which reads every table of the project. Name
      each table with its schema, as in <code>public.orders</code>.
    </>
  )
}

function Told({ state, onVerified }: { readonly state: ConsoleState; readonly onVerified: () => Promise<void> }) {
  switch (state.name) {
    case 'idle':
      return null
    case 'running':
      return (
        <p className="fine" role="status">
          The statement is running.
        </p>
      )
    case 'refused':
      return needsCode(state.failure) ? (
        <FreshCode failure={state.failure} onVerified={onVerified} />
      ) : (
        <FailureNotice failure={state.failure} />
      )
    case 'told':
      return state.answer.state === 'failed' ? (
        <StatementError statement={state.statement} failure={state.answer} />
      ) : (
        <ResultTable answer={state.answer} />
      )
  }
}
