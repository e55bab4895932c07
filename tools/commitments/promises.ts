import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMMITMENT_ID } from './test-names.ts'

/** What the documents say is promised, and how far they say it is kept. */
export type State = 'built' | 'in part' | 'not yet'
export type Promised = { readonly id: string; readonly state: State }
export type DecisionRecord = {
  /** `0001`. */
  readonly number: string
  readonly claims: readonly string[]
  /** Those of its claims that it marks as not yet built. */
  readonly notYet: readonly string[]
}

const TABLE = 'docs/commitments.md'
const ROW = /^\| ([A-Z]\d+(?: to [A-Z]\d+)?) \|.*\| *([^|]+?) *\|$/gm
const STATE = /^(built|in part|not yet)\b/

/** The rows of `docs/commitments.md`; `M1 to M5` stands for five. */
export function readPromises(root: string): Promised[] {
  const rows = [...readFileSync(join(root, TABLE), 'utf8').matchAll(ROW)]
  return rows.flatMap(([, ids = '', told = '']) => {
    const state = STATE.exec(told)?.[1]
    if (!isState(state)) throw new Error(`${TABLE}: the state of ${ids} is none of built, in part, not yet`)
    return idsOfRange(ids).map((id) => ({ id, state }))
  })
}

function isState(text: string | undefined): text is State {
  return text === 'built' || text === 'in part' || text === 'not yet'
}

function idsOfRange(text: string): string[] {
  const [first = '', last = first] = text.split(' to ')
  const [letter, from, to] = [first.slice(0, 1), Number(first.slice(1)), Number(last.slice(1))]
  return Array.from({ length: to - from + 1 }, (_, index) => `${letter}${from + index}`)
}

const RECORD_FILE = /^(\d{4})-.+\.md$/
/** One line each, agreed with every record: `Commitments: V1, V2.` and `*Not yet built*: L5 (pruning), M1.` */
const CLAIMS = /^Commitments: (.+)$/m
const NOT_YET = /^\*Not yet built\*: (.+)$/m

export function readDecisionRecords(root: string): DecisionRecord[] {
  return readdirSync(join(root, 'adr'))
    .sort()
    .flatMap((name) => {
      const number = RECORD_FILE.exec(name)?.[1]
      return number === undefined ? [] : [parseRecord(number, readFileSync(join(root, 'adr', name), 'utf8'))]
    })
}

export function parseRecord(number: string, text: string): DecisionRecord {
  const line = CLAIMS.exec(text)?.[1]
  if (line === undefined) throw new Error(`adr/${number}: has no line "Commitments: ..."`)
  const claims = idsOfLine(line)
  const notYet = idsOfLine(NOT_YET.exec(text)?.[1] ?? '')
  const stray = notYet.find((id) => !claims.includes(id))
  if (stray !== undefined) throw new Error(`adr/${number}: marks ${stray} as not yet built and does not claim it`)
  return { number, claims, notYet }
}

/** Ids separated by commas; what stands in brackets says what is missing. */
function idsOfLine(line: string): string[] {
  const words = line.replace(/\([^)]*\)/g, '').split(/[ ,.]+/)
  return words.filter((word) => COMMITMENT_ID.test(word))
}
