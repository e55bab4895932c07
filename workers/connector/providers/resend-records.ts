import type { FindingKind } from '../../../domain/findings/kinds.ts'
import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import { type DomainRecord, VERIFIED } from '../../../domain/providers/resend/schemas.ts'
import type { Fact, Finding, PolledSite, RunTools } from './provider.ts'

const DAY_MS = 86_400_000
const MAX_DETAIL = 300

/** Resend tells of these two; DMARC is the domain's own policy and none of its records. */
const COUNTED = [
  { record: 'SPF', metric: 'spf_unverified', kind: 'spf_record_unverified' },
  { record: 'DKIM', metric: 'dkim_unverified', kind: 'dkim_record_unverified' },
] as const satisfies readonly { readonly record: string; readonly metric: MetricName; readonly kind: FindingKind }[]
const KINDS: readonly FindingKind[] = [...COUNTED.map(({ kind }) => kind), 'mail_record_unverified']

/**
 * What a domain's records say today: counted, as the day's last word, and each that is wrong as a finding, which lasts until it is right
 * again. Where Resend itself comes to expect another value, the record is wrong by that, and the finding has the new value.
 */
export async function storeRecords(
  { store, storeFindings }: RunTools,
  { id: siteId }: PolledSite,
  records: readonly DomainRecord[],
  at: number,
): Promise<void> {
  const wrong = records.filter(({ status }) => status !== VERIFIED)
  const facts = COUNTED.map(({ record, metric }) =>
    factOf(metric, wrong.filter((own) => own.record === record).length, Math.floor(at / DAY_MS) * DAY_MS),
  )
  await store({ siteId, dataset: 'daily', facts, completeUntil: null, fetchedAt: at })
  await storeFindings({ siteId, findings: wrong.map(findingOf), whole: KINDS, at })
}

function findingOf({ record, name, type, status, value }: DomainRecord): Finding {
  const kind = COUNTED.find((counted) => counted.record === record)?.kind ?? 'mail_record_unverified'
  const detail = `${status}: expected is ${value}`
  return {
    kind,
    subject: `${type} ${name}`,
    detail: detail.length > MAX_DETAIL ? `${detail.slice(0, MAX_DETAIL - 1)}…` : detail,
  }
}

function factOf(metric: MetricName, value: number, windowStart: number): Fact {
  const window = { windowStart, windowEnd: windowStart + DAY_MS }
  const told = { source: 'resend.domains', sampling: 1, completeness: 'complete' } as const
  return { metric, unit: METRICS[metric].unit, currency: null, ...window, value, ...told }
}
