import { fromBase64Url } from '../../../domain/bytes.ts'
import { type Census, censusTime, formatCensus, OPERATOR_KEY_NAME } from '../../../domain/envelope/census.ts'
import { openNote } from '../../../domain/note/signed-note.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { noteRowCounts } from '../kek-rows.ts'
import { askKekVersions } from '../ledger.ts'
import type { Visit } from '../visit.ts'
import type { Operation } from './operation.ts'

/** How old a census may be when it comes back signed. */
const SIGNING_MS = 5 * 60_000

export const kekCensus: Operation<'kek-census'> = async (visit, { version }) => {
  const census = await takeCensus(visit, version, visit.at)
  return census.ok ? success({ text: formatCensus(census.value) }) : census
}

/**
 * The operator signs what the vault counted, and the vault retires the version only when a count of its own gives the same text:
 * neither of the two alone makes a census.
 */
export const kekRetire: Operation<'kek-retire'> = async (visit, { version, census: note }) => {
  const kept = await askKekVersions(visit.bindings, (versions) => versions.census(version))
  if (!kept.ok) return kept
  if (kept.value !== null) return success({ retired: true, census: kept.value })
  const text = await signedText(visit, note)
  if (!text.ok) return text
  const at = censusTime(text.value)
  if (!at.ok || at.value > visit.at || visit.at - at.value > SIGNING_MS) return failure('census_invalid')
  const census = await takeCensus(visit, version, at.value)
  if (!census.ok) return census
  if (formatCensus(census.value) !== text.value) return failure('census_invalid')
  const retired = await askKekVersions(visit.bindings, (versions) =>
    versions.retire({ version, census: note, at: visit.at }),
  )
  if (!retired.ok) return retired
  return retired.value.ok ? success({ retired: true, census: note }) : failure(retired.value.code)
}

async function signedText({ bindings }: Visit, note: string): Promise<Result<string, 'census_invalid'>> {
  const publicKey = fromBase64Url(bindings.OPERATOR_PUBLIC_KEY.x)
  if (!publicKey.ok) return failure('census_invalid')
  const opened = await openNote(note, [{ name: OPERATOR_KEY_NAME, publicKey: publicKey.value }])
  return opened.ok ? success(opened.value.text) : failure('census_invalid')
}

async function takeCensus(
  visit: Visit,
  retires: number,
  at: number,
): Promise<Result<Census, 'store_unreachable' | 'ledger_unreachable' | 'kek_unknown'>> {
  const counts = await noteRowCounts(visit)
  if (!counts.ok) return counts
  const known = await askKekVersions(visit.bindings, (versions) => versions.versions())
  if (!known.ok) return known
  if (known.value.every(({ version }) => version !== retires)) return failure('kek_unknown')
  const versions = known.value.map(({ version, state, checkValue }) => {
    const counted = counts.value.find((one) => one.version === version)
    const { tenantKeys = 0, auditKeys = 0, credentials = 0 } = counted ?? {}
    return { version, state, tenantKeys, auditKeys, credentials, checkValue }
  })
  return success({ at, retires, versions })
}
