import { toBase64 } from '../bytes.ts'
import type { KekState } from '../contracts/kek-versions.ts'
import { failure, type Result, success } from '../result.ts'

/** How many rows each KEK version wrapped when one was retired. A text of this form, signed as a note, is what the version ends with. */
export type Census = {
  /** Unix milliseconds. */
  readonly at: number
  readonly retires: number
  /** In order of version; states before the retirement. */
  readonly versions: readonly CensusLine[]
}
export type CensusLine = {
  readonly version: number
  readonly state: KekState
  readonly tenantKeys: number
  readonly auditKeys: number
  readonly credentials: number
  readonly checkValue: Uint8Array
}

const TITLE = 'flarewatch-kek-census/v1'
/** The name of the operator's key in a note. */
export const OPERATOR_KEY_NAME = 'flarewatch-operator'
const TIME = /^time (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/

/** One text for one census: two that count alike write the same bytes. */
export function formatCensus({ at, retires, versions }: Census): string {
  const line = (when: 'before' | 'after', { version, state, ...counted }: CensusLine) => {
    const { tenantKeys, auditKeys, credentials, checkValue } = counted
    return `${when} ${version} ${state} ${tenantKeys} ${auditKeys} ${credentials} ${toBase64(checkValue)}`
  }
  const retired = (one: CensusLine): CensusLine => (one.version === retires ? { ...one, state: 'retired' } : one)
  const lines = [
    TITLE,
    `time ${new Date(at).toISOString()}`,
    `retires ${retires}`,
    ...versions.map((one) => line('before', one)),
    ...versions.map((one) => line('after', retired(one))),
  ]
  return `${lines.join('\n')}\n`
}

/** When a census was taken, which is all that somebody who counts for themselves needs of it. */
export function censusTime(text: string): Result<number, 'census_malformed'> {
  const [title, time = ''] = text.split('\n')
  const [, instant] = TIME.exec(time) ?? []
  if (title !== TITLE || instant === undefined) return failure('census_malformed')
  const at = Date.parse(instant)
  return Number.isSafeInteger(at) && at >= 0 ? success(at) : failure('census_malformed')
}
