import postgres from 'postgres'
import type { AuditStore } from '../ledger/platform.ts'
import type { Life } from './life.ts'
import type { ModelLog } from './model-log.ts'
import type { Random } from './random.ts'
import type { Tally } from './tally.ts'
import type { Timeline } from './timeline.ts'

const USUAL_DELAY_MS = 30
/** Longer than the ledger waits for its first comparison. */
const SLOW_DELAY_MS = 4_000
const GIVE_UP_MS = 10_000

/** An outage, as opposed to a refusal. */
export class ConnectionLost extends Error {}

export type Weather = {
  /** Nothing reaches Postgres while this is set. */
  outage: boolean
  /** Of each call: its answer is lost, or it is cut off and may still be carried out later. */
  lostAnswers: number
  slowness: number
  /** Of each call: the ledger dies in the moment in which Postgres has carried it out. */
  strikes: number
}

type Line = {
  readonly log: ModelLog
  readonly life: Life
  readonly timeline: Timeline
  readonly random: Random
  readonly weather: Weather
  readonly tally: Tally
}

/** A connection to the model of Postgres that can fail in every way in which a network and a database do. */
export function faultyStore(line: Line): AuditStore {
  return {
    newestRow: async () => {
      const stored = await call(line, () => line.log.newestRow())
      line.life.compared(stored)
      return stored
    },
    addRows: (rows) =>
      call(line, () => {
        const before = line.log.rows.length
        const refusal = line.log.addRows(rows)
        if (refusal !== null) throw refused(refusal)
        line.tally.count('inserts')
        if (line.log.rows.length < before + rows.length) line.tally.count('repeated_inserts')
      }),
    addIncident: (_, incident) => call(line, () => line.log.addIncident(incident)),
    close: () => {},
  }
}

/** Sent, carried out, answered: each step may be the last that happens, and each may come late. */
function call<Value>(line: Line, work: () => Value): Promise<Value> {
  const { life, timeline, random, weather, tally } = line
  life.tick()
  const delay = () => random.between(0, random.chance(weather.slowness) ? SLOW_DELAY_MS : USUAL_DELAY_MS)
  const answer = new Promise<Value>((resolve, reject) => {
    const lose = (ms: number) => timeline.after(ms, () => reject(new ConnectionLost()))
    timeline.after(delay(), () => {
      if (weather.outage) return lose(random.pick([0, GIVE_UP_MS]))
      if (random.chance(weather.lostAnswers)) {
        tally.count('lost_acknowledgements')
        lose(delay())
        // Cut off on its way: carried out now, a while later, or never.
        const carryOut = () => void attempt(work)
        return random.pick([carryOut, () => timeline.after(delay() + SLOW_DELAY_MS, carryOut), () => {}])()
      }
      const outcome = attempt(work)
      if (random.chance(weather.strikes)) life.die()
      timeline.after(delay(), () => (outcome.ok ? resolve(outcome.value) : reject(outcome.error)))
    })
  })
  return life.unlessDead(answer)
}

type Outcome<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: unknown }

function attempt<Value>(work: () => Value): Outcome<Value> {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    return { ok: false, error }
  }
}

function refused(code: string): postgres.PostgresError {
  return Object.assign(new postgres.PostgresError(code), { code })
}
