import type { z } from 'zod'
import { type StatusFigures, StatusResponse } from '../../../domain/contracts/api.ts'
import type { Bindings } from '../bindings.ts'
import { type TenantHealth, tenantHealth } from '../queries/status.ts'
import { refusalCode } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler } from '../visit.ts'
import { withTenant } from '../with-tenant.ts'

type Part = z.input<typeof StatusResponse>['parts'][number]
type Figures = z.input<typeof StatusFigures>

/** Whether what a tenant relies on works, part by part. A part that is down is the answer here, not a failure of it. */
export const status: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const at = new Date(visit.now)
  const health = withTenant(request, session, visit, (tenancy) => tenantHealth(tenancy, at))
  const [store, vault] = await Promise.all([
    health.then((known) => storeAnswers(known, at), storeDown),
    vaultPart(visit.bindings),
  ])
  const parts = [...store.parts, vault]
  return answer(StatusResponse, { ok: parts.every(({ state }) => state === 'ok'), parts, figures: store.figures })
}

/** The scheduler's cron is due each minute. */
const CRON_LATE_SECONDS = 3 * 60
/** The verifier's cron is due every five minutes, and a long log takes it a while. */
const RECEIPT_LATE_MS = 20 * 60 * 1000
/** Every chain is walked end to end each night, for which there are two hours. */
const NIGHT_LATE_MS = 26 * 3_600_000
/** The notifier's cron is due each minute. */
const MAIL_LATE_MS = 5 * 60 * 1000

type Known = { readonly parts: Part[]; readonly figures: Figures | null }

function storeAnswers(health: TenantHealth, at: Date): Known {
  const figures = figuresOf(health, at)
  const parts = [
    { name: 'store', state: 'ok', detail: 'answers' } as const,
    schedulerPart(figures),
    queuePart(figures),
    connectorsPart(health),
    receiptsPart(health, figures, at),
    nightsPart(health, at),
    incidentsPart(health),
    mailPart(health, at),
    delaysPart(health),
  ]
  return { parts, figures }
}

function figuresOf(health: TenantHealth, at: Date): Figures {
  const lagMs = health.oldest_due_at === null ? 0 : at.getTime() - health.oldest_due_at.getTime()
  return {
    jobs_leased: health.jobs_leased,
    jobs_due: health.jobs_due,
    cron_lag_seconds: Math.round(lagMs / 1000),
    newest_job_at: health.newest_job_at?.toISOString() ?? null,
    dead_letters_24h: health.dead_letters_24h,
    audit_rows: health.audit_rows,
    unsigned_rows: Math.max(health.audit_rows - (health.receipt_size ?? 0), 0),
    newest_receipt_at: health.receipt_at?.toISOString() ?? null,
    open_incidents: health.incidents,
    mails_waiting: health.mails_waiting,
    mails_given_up_24h: health.mails_given_up_24h,
  }
}

function schedulerPart({ jobs_due, cron_lag_seconds, newest_job_at }: Figures): Part {
  const state = cron_lag_seconds <= CRON_LATE_SECONDS ? 'ok' : 'degraded'
  const newest = newest_job_at === null ? 'no job yet' : `newest job ${newest_job_at}`
  return { name: 'scheduler', state, detail: `${jobs_due} due, waiting ${cron_lag_seconds} s, ${newest}` }
}

function queuePart({ jobs_leased, dead_letters_24h }: Figures): Part {
  const state = dead_letters_24h === 0 ? 'ok' : 'degraded'
  return { name: 'queue', state, detail: `${jobs_leased} leased, ${dead_letters_24h} given up in 24 h` }
}

function connectorsPart({ credentials, parked }: TenantHealth): Part {
  return { name: 'connectors', state: parked === 0 ? 'ok' : 'degraded', detail: `${parked} of ${credentials} parked` }
}

/** A log that has not grown since its receipt needs no newer one, however old that is. */
function receiptsPart({ receipt_size, receipt_at }: TenantHealth, { unsigned_rows }: Figures, at: Date): Part {
  if (receipt_size === null || receipt_at === null) {
    return { name: 'receipts', state: 'degraded', detail: 'none signed yet' }
  }
  const isLate = unsigned_rows > 0 && at.getTime() - receipt_at.getTime() > RECEIPT_LATE_MS
  const detail = `${receipt_size} rows, signed ${receipt_at.toISOString()}, ${unsigned_rows} since`
  return { name: 'receipts', state: isLate ? 'degraded' : 'ok', detail }
}

/** The verifier raises a missing night itself, every few minutes; this shows it also when the verifier is away altogether. */
function nightsPart({ night_at, night_size, night_sound, activated_at }: TenantHealth, at: Date): Part {
  const since = night_at ?? activated_at
  const isLate = since !== null && at.getTime() - since.getTime() > NIGHT_LATE_MS
  if (night_at === null) return { name: 'nights', state: isLate ? 'degraded' : 'ok', detail: 'none yet' }
  const detail = `${night_size} rows end to end, ${night_sound ? 'sound' : 'not sound'}, ${night_at.toISOString()}`
  return { name: 'nights', state: isLate || !night_sound ? 'degraded' : 'ok', detail }
}

function incidentsPart({ incidents, newest_incident }: TenantHealth): Part {
  return {
    name: 'incidents',
    state: incidents === 0 ? 'ok' : 'degraded',
    detail: incidents === 0 ? 'none open' : `${incidents} open, newest: ${newest_incident}`,
  }
}

/** A mail that waits for longer than a few runs of the notifier's cron has failed before. */
function mailPart({ mails_waiting, oldest_mail_due_at, mails_given_up_24h }: TenantHealth, at: Date): Part {
  const isLate = oldest_mail_due_at !== null && at.getTime() - oldest_mail_due_at.getTime() > MAIL_LATE_MS
  const detail = `${mails_waiting} waiting, ${mails_given_up_24h} given up in 24 h`
  return { name: 'mail', state: isLate || mails_given_up_24h > 0 ? 'degraded' : 'ok', detail }
}

/** Which hooks a project has is not for SQL to see; that Auth has called one is. Without them it keeps limits of its own. */
function delaysPart({ password_hook_at, mfa_hook_at }: TenantHealth): Part {
  const told = (calledAt: Date | null) => (calledAt === null ? "not seen (Auth's own limits apply)" : 'on')
  const detail = `on wrong passwords: ${told(password_hook_at)}, on wrong codes: ${told(mfa_hook_at)}`
  return { name: 'delays', state: 'ok', detail }
}

function storeDown(error: unknown): Known {
  if (refusalCode(error) !== 'store_unreachable') throw error
  return { parts: [{ name: 'store', state: 'down', detail: 'does not answer' }], figures: null }
}

async function vaultPart({ VAULT }: Bindings): Promise<Part> {
  try {
    const ready = await VAULT.ready()
    return ready.ok
      ? { name: 'vault', state: 'ok', detail: 'ready' }
      : { name: 'vault', state: 'down', detail: ready.code }
  } catch {
    return { name: 'vault', state: 'down', detail: 'does not answer' }
  }
}
