import { genesisStart, type WalkStart } from '../../domain/audit/walk-start.ts'
import { compareReceipts } from './compare-receipts.ts'
import type { Finding } from './finding.ts'
import { raiseIncident } from './incidents.ts'
import type { Instruments } from './instruments.ts'
import { recordNight } from './night-record.ts'
import type { Receipt } from './receipt.ts'
import { countRemembered, largestRemembered, newestReceipt, rememberedReceipts } from './receipt-store.ts'
import { openRemembered } from './signed-states.ts'
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
import type { SignedState } from './walk.ts'
import { walkAndJudge } from './walk-step.ts'

/** Where the rows begin that Postgres still has. */
export function startOf({ tenantId }: KnownTenant): WalkStart {
  return genesisStart(tenantId)
}

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
  const step = walking === 'unreadable' ? await unreadable(tools, tenant) : await takeStep(tools, tenant, walking)
  if (step.kind === 'more') {
    await saveState(bucket, tenantId, signer, { last: state.last, walking: step.walking }, stored.etag)
    return { kind: 'more' }
  }
  const { finding, size } = step
  const now = tools.at.getTime()
  const startedAt = walking === 'unreadable' ? now : walking.startedAt
  const last = { dueAt, startedAt, finishedAt: now, size, sound: finding === null }
  // Incident and record are out before the night counts as ended: a crash in between repeats this step.
  if (finding !== null) await raiseIncident(tools.sql, tenantId, finding, tools.at)
  await recordNight(tools.sql, tenantId, last)
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

async function unreadable({ sql }: Instruments, { tenantId }: KnownTenant): Promise<Step> {
  const seq = await largestRemembered(sql, tenantId)
  return { kind: 'end', size: 0, finding: { kind: 'receipt_inconsistent', seq, detail: { differs: 'newest' } } }
}

async function begin(tools: Instruments, tenant: KnownTenant, dueAt: number): Promise<Walking | 'unreadable'> {
  const newest = await newestReceipt(tools.bucket, tenant.tenantId, tools.signer)
  if (newest === 'unreadable') return newest
  const position = startOf(tenant)
  return {
    dueAt,
    startedAt: tools.at.getTime(),
    signedSize: newest === 'none' ? 0 : newest.receipt.size,
    compared: { after: '', count: 0, beyond: 0, done: false },
    position,
    // What was signed for rows before the start can only be compared.
    passed: position.seq === 0 ? 0 : await countRemembered(tools.sql, tenant.tenantId, position.seq),
  }
}

async function takeStep(tools: Instruments, tenant: KnownTenant, walking: Walking): Promise<Step> {
  if (walking.compared.done) return walkRows(tools, tenant, walking)
  const compared = await compareReceipts(tools, tenant.tenantId, walking)
  if ('kind' in compared) return { kind: 'end', size: 0, finding: await firstOf(tools, tenant, walking, compared) }
  const further = { ...walking, compared }
  return compared.done ? walkRows(tools, tenant, further) : { kind: 'more', walking: further }
}

/** A receipt that is missing or another may be the end of something that began with an earlier row: as far as one step can tell. */
async function firstOf(tools: Instruments, tenant: KnownTenant, walking: Walking, found: Finding): Promise<Finding> {
  const { finding } = await walkAndJudge(tools, tenant.tenantId, tenant.firstHash, {
    start: walking.position,
    limit: tools.limits.walkedRows,
    earlier: new Map(),
    cutter: null,
    largestSigned: walking.signedSize,
  })
  return finding !== null && (finding.seq ?? 0) < (found.seq ?? 0) ? finding : found
}

async function walkRows(tools: Instruments, tenant: KnownTenant, walking: Walking): Promise<Step> {
  const { sql, signer, limits } = tools
  const { tenantId, firstHash } = tenant
  const { position, signedSize } = walking
  const range = { above: position.seq, upTo: signedSize, limit: limits.receipts }
  const remembered = await rememberedReceipts(sql, tenantId, range)
  const receipts = await openRemembered(tenantId, remembered, signer)
  if ('kind' in receipts) return { kind: 'end', size: position.seq, finding: receipts }
  // Rows are walked no further than the receipts that are at hand.
  const reach =
    receipts.length < limits.receipts ? Number.POSITIVE_INFINITY : (receipts.at(-1)?.size ?? 0) - position.seq
  const { walk, finding } = await walkAndJudge(tools, tenantId, firstHash, {
    start: position,
    limit: Math.min(limits.walkedRows, reach),
    earlier: signedStates(receipts),
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

export function signedStates(receipts: readonly Receipt[]): Map<number, SignedState> {
  return new Map(receipts.map(({ size, root, chainHead }) => [size, { root, chainHead }]))
}

function hiddenReceipts(compared: number, passed: number): Finding {
  return {
    kind: 'receipt_missing',
    seq: null,
    detail: { missing_in: 'postgres', compared: String(compared), passed: String(passed) },
  }
}
