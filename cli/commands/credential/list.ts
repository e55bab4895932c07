import type { z } from 'zod'
import { historyWords } from '../../../domain/backfill/words.ts'
import { CredentialsResponse } from '../../../domain/contracts/api.ts'
import { BUDGET_DAYS } from '../../../domain/contracts/runs.ts'
import { budgetText, lagText, nextRunText } from '../../../domain/runs/health.ts'
import { runWords } from '../../../domain/runs/words.ts'
import { type Arguments, type Command, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { asUser, chosenTenant, currentSession } from '../../session.ts'

type Line = z.output<typeof CredentialsResponse>['credentials'][number]

/** V6, and how each fares: what its last run came to, how far it and its history are read, when it runs next, what is left of its error budget. */
export const credentialList: Command = {
  usage: 'flarewatch credential list [--tenant T]',
  summary: 'the stored credentials, by their last four characters, and how the polling of each fares',
  options: { tenant: { type: 'string' } },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const url = `${session.gateway_url}/api/credentials`
    const { credentials } = await fetchJson(url, { headers: asUser(session, tenantId) }, CredentialsResponse)
    const now = Date.now()
    return {
      document: { ok: true, tenant_id: tenantId, credentials },
      text: credentials.length === 0 ? 'No credential is stored' : credentials.map((l) => textOf(l, now)).join('\n\n'),
      exit: EXIT.ok,
    }
  },
}

function textOf(line: Line, now: number): string {
  const { id, provider, label, last4, scope, deleted_at, webhook_of, health } = line
  const head = `${label}  ${provider} ····${last4}  ${id}`
  if (deleted_at !== null) return `${head}\n  deleted ${utc(deleted_at)}`
  if (webhook_of !== null || health === null) return `${head}\n  ${scope}`
  return [head, ...runLines(line, health), ...healthLines(health, now), ...historyLines(line)].join('\n')
}

function runLines({ state, reason }: Line, { last_run }: NonNullable<Line['health']>): string[] {
  if (state === 'parked') return told('parked', reason, 'polling has stopped')
  if (last_run === null) return ['  no run has ended yet']
  return told(last_run.state ?? 'failed', last_run.reason, `last run ${utc(last_run.ended_at)}`)
}

function told(state: Parameters<typeof runWords>[0], reason: string | null, when: string): string[] {
  const { meaning, next } = runWords(state, reason)
  const why = reason === null ? '' : ` (${reason})`
  return [`  ${state}${why}, ${when}`, ...(state === 'complete' ? [] : [`  ${meaning} ${next}`])]
}

function healthLines(health: NonNullable<Line['health']>, now: number): string[] {
  const { complete_until, lag_seconds, next_run_at, error_budget } = health
  const { runs, incomplete } = error_budget
  const read =
    complete_until === null || lag_seconds === null
      ? 'not complete yet'
      : `complete until ${utc(complete_until)}, ${lagText(lag_seconds)} behind`
  return [
    `  ${read}; next run ${nextRunText(next_run_at, now)}`,
    `  error budget ${budgetText(error_budget)}: ${incomplete} of ${runs} runs not complete in ${BUDGET_DAYS} days`,
  ]
}

function historyLines({ history }: Line): string[] {
  const words = history === null ? null : historyWords(history)
  return words === null ? [] : [`  ${words}`]
}

function utc(instant: string): string {
  return `${instant.slice(0, 19).replace('T', ' ')} UTC`
}
