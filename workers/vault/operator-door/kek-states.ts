import type { KekMoved, KekVersionsApi } from '../../../domain/contracts/kek-versions.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { type JudgedKek, judgeKeks, type KekRefusal } from '../keks.ts'
import { askKekVersions } from '../ledger.ts'
import { startRewrap } from '../rewrap/rewrap.cron.ts'
import type { Visit } from '../visit.ts'
import { isolateId } from './isolate.ts'
import type { Operation } from './operation.ts'

/** What moves a KEK version from one state to the next, in the order in which a rotation asks for it. */

export const kekAdmit: Operation<'kek-admit'> = async (visit, { version }) => {
  const kek = await boundKek(visit, version)
  if (!kek.ok) return kek
  const { checkValue } = kek.value
  const moved = await move(visit, (versions) => versions.admit({ version, checkValue }, visit.at))
  return moved.ok ? success({ admitted: true }) : moved
}

export const kekProbe: Operation<'kek-probe'> = async (visit, { version }) => {
  const kek = await boundKek(visit, version)
  return kek.ok ? success({ isolate: isolateId() }) : kek
}

export const kekPromote: Operation<'kek-promote'> = async (visit, { version }) => {
  const kek = await boundKek(visit, version)
  if (!kek.ok) return kek
  const moved = await move(visit, (versions) => versions.promote(version, visit.at))
  return moved.ok ? success({ promoted: true }) : moved
}

export const kekRewrap: Operation<'kek-rewrap'> = async (visit) => {
  const keks = await judgeKeks(visit)
  if (!keks.ok) return keks
  await startRewrap(visit)
  return success({ started: true })
}

/** Needs nothing but the object that keeps the states: a leaked key is stopped with Postgres away, too. */
export const kekDeny: Operation<'kek-deny'> = async (visit, { version }) => {
  const moved = await move(visit, (versions) => versions.deny(version, visit.at))
  return moved.ok ? success({ denied: true }) : moved
}

export const kekDrain: Operation<'kek-drain'> = async (visit, { version }) => {
  const moved = await move(visit, (versions) => versions.drain(version, visit.at))
  return moved.ok ? success({ draining: true }) : moved
}

async function boundKek(visit: Visit, version: number): Promise<Result<JudgedKek, KekRefusal | 'kek_version_unknown'>> {
  const keks = await judgeKeks(visit)
  if (!keks.ok) return keks
  const kek = keks.value.find((bound) => bound.version === version)
  return kek === undefined ? failure('kek_version_unknown') : success(kek)
}

async function move(visit: Visit, ask: (versions: KekVersionsApi) => Promise<KekMoved>) {
  const moved = await askKekVersions(visit.bindings, ask)
  if (!moved.ok) return moved
  return moved.value.ok ? success(null) : failure(moved.value.code)
}
