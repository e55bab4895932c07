import { genesisStart } from '../../domain/audit/walk-start.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { compareReceipts } from './compare-receipts.ts'
import { type Beginning, checkClosedReceipts, startOf, withCertificates } from './epoch-start.ts'
import type { Finding } from './finding.ts'
import { raiseIncident } from './incidents.ts'
import type { Instruments } from './instruments.ts'
import { recordNight } from './night-record.ts'
import { mailReceipt } from './receipt-mail.ts'
import { countRemembered, largestRemembered, newestReceipt, rememberedReceipts } from './receipt-store.ts'
import { openRemembered, signedStates } from './signed-states.ts'
import type { KnownTenant } from './tenants.ts'
import type { Verdict } from './verdict.ts'
import {
  loadState,
  NOTHING_VERIFIED,
  type StoredState,
  saveState,
  type VerificationState,
  type Walking,
} from './verification-state.ts'
import { walkAndJudge } from './walk-step.ts'

/**
 * One step of the walk end to end: compares a page of receipts, walks rows up to the limit, and saves how far it came. Whoever
 * repeats it after a crash goes on from what was saved; whoever runs beside another loses, and changes nothing.
 */
export async function walkNight(tools: Instruments, tenant: KnownTenant, dueAt: number): Promise<Verdict> {
  const { bucket, signer } = tools
  const { tenantId } = tenant
  const stored = await loadState(bucket, tenantId, signer)
  const state = await believed(tools, tenant, stored)
  if (state.last !== null && state.last.dueAt >= dueAt) return endedBefore(state.last)
  const walking = state.walking?.dueAt === dueAt ? state.walking : await begin(tools, tenant, dueAt)
  const signedBefore = state.last?.signedSize ?? 0
  const step: Step =
    'kind' in walking
      ? { kind: 'end', size: 0, finding: walking }
      : await takeStep(tools, tenant, walking, signedBefore)
  if (step.kind === 'more') {
    await saveState(bucket, tenantId, signer, { last: state.last, walking: step.walking }, stored.etag)
    return { kind: 'more' }
  }
  const { finding, size } = step
  const now = tools.at.getTime()
  const startedAt = 'kind' in walking ? now : walking.startedAt
  const signedSize = 'kind' in walking ? signedBefore : Math.max(signedBefore, walking.signedSize)
  const last = { dueAt, startedAt, finishedAt: now, size, signedSize, sound: finding === null }
  // Incident, record and mail are out before the night counts as ended: a crash in between repeats this step.
  if (finding !== null) await raiseIncident(tools.sql, tenantId, finding, tools.at)
  await recordNight(tools.sql, tenantId, last)
  if (finding === null) await mailReceipt(tools.sql, tenantId, tools.at)
  await saveState(bucket, tenantId, signer, { last, walking: null }, stored.etag)
  return finding === null ? { kind: 'sound', size, signed: null, more: true } : { kind: 'finding', finding }
}

/** This message has come twice, or its step died after the end was saved: what it found sound is still to be signed. */
function endedBefore({ sound, size }: NonNullable<VerificationState['last']>): Verdict {
  return sound ? { kind: 'sound', size, signed: null, more: true } : { kind: 'unmoved' }
}

/** A state that somebody else wrote is an incident and believed in nothing: the walk begins anew. */
async function believed(tools: Instruments, { tenantId }: KnownTenant, { state, etag }: StoredState) {
  if (state !== 'forged') return state
  const finding = { kind: 'verification_forged', seq: null, detail: { etag: etag ?? '' } } as const
  await raiseIncident(tools.sql, tenantId, finding, tools.at)
  return NOTHING_VERIFIED
}

type Step =
  | { readonly kind: 'more'; readonly walking: Walking }
  | { readonly kind: 'end'; readonly size: number; readonly finding: Finding | null }

async function begin(tools: Instruments, { tenantId }: KnownTenant, dueAt: number): Promise<Walking | Finding> {
  const newest = await newestReceipt(tools.bucket, tenantId, tools.signer)
  if (newest === 'unreadable') {
    const seq = await largestRemembered(tools.sql, tenantId)
    return { kind: 'receipt_inconsistent', seq, detail: { differs: 'newest' } }
  }
  return {
    dueAt,
    startedAt: tools.at.getTime(),
    signedSize: newest === 'none' ? 0 : newest.receipt.size,
    compared: { after: '', count: 0, done: false },
    position: genesisStart(tenantId),
    passed: 0,
  }
}

async function takeStep(
  tools: Instruments,
  tenant: KnownTenant,
  walking: Walking,
  signedBefore: number,
): Promise<Step> {
  if (walking.compared.done) return walkRows(tools, tenant, walking)
  const compared =
    walking.signedSize < signedBefore
      ? setBack(walking.signedSize)
      : await compareReceipts(tools, tenant.tenantId, walking)
  if ('kind' in compared) return { kind: 'end', size: 0, finding: await firstOf(tools, tenant, walking, compared) }
  const further = { ...walking, compared }
  return compared.done ? walkRows(tools, tenant, further) : { kind: 'more', walking: further }
}

/** A receipt that was the newest once is put in the place of a later one, or the newest taken away. */
function setBack(size: number): Finding {
  return { kind: 'receipt_inconsistent', seq: Math.max(1, size), detail: { differs: 'newest' } }
}

/** A receipt that is missing or another may be the end of something that began with an earlier row: as far as one step can tell. */
async function firstOf(tools: Instruments, tenant: KnownTenant, walking: Walking, found: Finding): Promise<Finding> {
  const beginning = await startOf(tools, tenant.tenantId)
  if ('kind' in beginning) return beginning
  const { finding } = await walkAndJudge(tools, tenant.tenantId, tenant.firstHash, {
    start: walking.position.seq < beginning.start.seq ? beginning.start : walking.position,
    limit: tools.limits.walkedRows,
    earlier: new Map(),
    cutter: null,
    largestSigned: walking.signedSize,
  })
  return finding !== null && (finding.seq ?? 0) < (found.seq ?? 0) ? finding : found
}

async function walkRows(tools: Instruments, tenant: KnownTenant, walking: Walking): Promise<Step> {
  const beginning = await startOf(tools, tenant.tenantId)
  if ('kind' in beginning) return { kind: 'end', size: walking.position.seq, finding: beginning }
  const reached = await passPruned(tools, tenant.tenantId, walking, beginning)
  if ('kind' in reached) return { kind: 'end', size: walking.position.seq, finding: reached }
  const step = await walkStored(tools, tenant, reached, beginning)
  if (step.kind === 'more' || step.finding === null || step.size > reached.position.seq) return step
  // What is missing at once may have been pruned between the look at where the rows begin and the walk: then the next step passes it.
  const again = await startOf(tools, tenant.tenantId)
  return 'kind' in again || again.start.seq <= reached.position.seq ? step : { kind: 'more', walking: reached }
}

/** Goes on behind rows that were pruned, tonight or long ago: what was signed for them can only be compared. */
async function passPruned(
  { sql }: Instruments,
  log: TenantId,
  walking: Walking,
  beginning: Beginning,
): Promise<Walking | Finding> {
  const { start } = beginning
  if (start.seq <= walking.position.seq) return walking
  const unclosed = await checkClosedReceipts(sql, beginning, walking.position.seq)
  return unclosed ?? { ...walking, position: start, passed: await countRemembered(sql, log, start.seq) }
}

async function walkStored(
  tools: Instruments,
  { tenantId, firstHash }: KnownTenant,
  walking: Walking,
  beginning: Beginning,
): Promise<Step> {
  const { sql, signer, limits } = tools
  const { position, signedSize } = walking
  const range = { above: position.seq, upTo: signedSize, limit: limits.receipts }
  const remembered = await rememberedReceipts(sql, tenantId, range)
  const receipts = await openRemembered(tenantId, remembered, signer)
  if ('kind' in receipts) return { kind: 'end', size: position.seq, finding: receipts }
  const earlier = withCertificates(signedStates(receipts), beginning)
  if ('kind' in earlier) return { kind: 'end', size: position.seq, finding: earlier }
  // Rows are walked no further than the receipts that are at hand.
  const reach =
    receipts.length < limits.receipts ? Number.POSITIVE_INFINITY : (receipts.at(-1)?.size ?? 0) - position.seq
  const { walk, finding } = await walkAndJudge(tools, tenantId, firstHash, {
    start: position,
    limit: Math.min(limits.walkedRows, reach),
    earlier,
    cutter: null,
    largestSigned: signedSize,
  })
  const passed = walking.passed + receipts.filter(({ size }) => size <= walk.size).length
  if (finding !== null) return { kind: 'end', size: walk.size, finding }
  if (!walk.exhausted) return { kind: 'more', walking: { ...walking, position: walk.end, passed } }
  // Every receipt that both sides have was met on the way; one that was not shown to the walk is one that was hidden.
  const hidden = passed === walking.compared.count ? null : hiddenReceipts(walking.compared.count, passed)
  return { kind: 'end', size: walk.size, finding: hidden }
}

function hiddenReceipts(compared: number, passed: number): Finding {
  return {
    kind: 'receipt_missing',
    seq: null,
    detail: { missing_in: 'postgres', compared: String(compared), passed: String(passed) },
  }
}
