'use client'

import { BUDGET_DAYS, RUN_OBJECTIVE } from '../../domain/contracts/runs.ts'
import { budgetText, lagText, nextRunText } from '../../domain/runs/health.ts'
import { formatAge, formatCount, formatDateTime } from '../view/format.ts'
import type { Line } from './health.ts'

type HealthTableProps = { readonly lines: readonly Line[]; readonly now: number }

/** How far each credential is read, and how its runs of the last days ended. */
export function HealthTable({ lines, now }: HealthTableProps) {
  const polled = lines.filter(({ health }) => health !== null)
  if (polled.length === 0) return null
  return (
    <table className="table">
      <caption className="fine">
        Polling health. Times in UTC. Of the runs of {BUDGET_DAYS} days, {RUN_OBJECTIVE * 100} % are to be complete;
        what is left of the rest is the error budget.
      </caption>
      <thead>
        <tr>
          <th scope="col">Credential</th>
          <th scope="col">Last run</th>
          <th scope="col" className="end">
            Complete until
          </th>
          <th scope="col" className="end">
            Next run
          </th>
          <th scope="col" className="end">
            Error budget
          </th>
        </tr>
      </thead>
      <tbody>
        {polled.map((line) => (
          <HealthRow key={line.id} line={line} now={now} />
        ))}
      </tbody>
    </table>
  )
}

function HealthRow({ line: { label, last4, health }, now }: { readonly line: Line; readonly now: number }) {
  if (health === null) return null
  const { last_run, complete_until, lag_seconds, next_run_at, error_budget } = health
  return (
    <tr>
      <th scope="row" data-label="Credential">
        {label}
        <span className="fine">
          <code>····{last4}</code>
        </span>
      </th>
      <td data-label="Last run">
        {last_run?.state ?? 'none yet'}
        {last_run !== null && <span className="fine">{formatAge(Date.parse(last_run.ended_at), now)}</span>}
      </td>
      <td className="end" data-label="Complete until">
        {complete_until === null || lag_seconds === null ? (
          <span className="fine">not yet</span>
        ) : (
          <>
            <time className="number" dateTime={complete_until}>
              {formatDateTime(Date.parse(complete_until), 'UTC')}
            </time>
            <span className="fine">{lagText(lag_seconds)} behind</span>
          </>
        )}
      </td>
      <td className="end" data-label="Next run">
        {nextRunText(next_run_at, now)}
      </td>
      <td className="end" data-label="Error budget">
        {budgetText(error_budget)}
        <span className="fine">
          {formatCount(error_budget.incomplete)} of {formatCount(error_budget.runs)} runs not complete
        </span>
      </td>
    </tr>
  )
}
