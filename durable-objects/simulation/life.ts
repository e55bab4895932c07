import { equalConstantTime } from '../../domain/bytes.ts'
import type { StoredHead } from '../ledger/agreement.ts'
import { Ledger } from '../ledger/ledger.ts'
import { CrashingStorage, type Disk, ignoringCut, PowerCut } from './disk.ts'
import { faultyStore, type Weather } from './faulty-store.ts'
import type { ModelLog } from './model-log.ts'
import type { Random } from './random.ts'
import type { Tally } from './tally.ts'
import type { Timeline } from './timeline.ts'
import { Violation } from './violation.ts'

const LONGEST_CLOCK_MS = 5

export type LifeOptions = {
  readonly disk: Disk
  readonly log: ModelLog
  readonly timeline: Timeline
  readonly random: Random
  readonly weather: Weather
  readonly tally: Tally
  /** The operation at which the power goes away; infinite when it does not. */
  readonly endsAt: number
  readonly onDeath: () => void
  readonly onViolation: (violation: Violation) => void
}

/** The real ledger from one start of its object to the next crash. A dead one runs on into nothing. */
export class Life {
  readonly ledger: Ledger
  readonly storage: CrashingStorage
  readonly #options: LifeOptions
  #operations = 0
  #endsAt: number
  #dead = false
  #inspecting = false
  #alarmRunning = false
  #alarmExpected = Number.POSITIVE_INFINITY
  /** Set once Postgres has shown this life a row that its book does not have. */
  #knowsItIsBehind = false
  #couldCompare = true
  #hasCompared = false

  constructor(options: LifeOptions) {
    this.#options = options
    const { disk, timeline, random, weather } = options
    this.#endsAt = options.endsAt
    this.#couldCompare = !weather.outage && weather.lostAnswers === 0 && weather.slowness === 0
    this.storage = new CrashingStorage({ disk, timeline, random, tick: () => this.tick() })
    this.ledger = new Ledger({
      storage: this.storage,
      connect: () => faultyStore({ ...options, life: this }),
      clock: async () => {
        await this.unlessDead(timeline.passed(random.between(0, LONGEST_CLOCK_MS)))
        return timeline.now
      },
      machine: { now: () => timeline.now, wait: (ms) => this.unlessDead(timeline.passed(ms)) },
      waitUntil: (work) => this.#watch(work),
    })
  }

  /** Postgres has been within reach since this life began. */
  get couldCompare(): boolean {
    return this.#couldCompare
  }

  /** What a dead life had sent may still arrive after this: it shows when the next row is refused, and not before. */
  get hasCompared(): boolean {
    return this.#hasCompared
  }

  get isDead(): boolean {
    return this.#dead
  }

  get knowsItIsBehind(): boolean {
    return this.#knowsItIsBehind
  }

  /** Around every operation on storage or network: here the power can go away. */
  readonly tick = (): void => {
    if (this.#inspecting) return
    if (!this.#dead) {
      this.#operations += 1
      if (this.#operations <= this.#endsAt) return
      this.die()
    }
    throw new PowerCut()
  }

  /** From here on it ends when it is told to, and by nothing else. */
  spare(): void {
    this.#endsAt = Number.POSITIVE_INFINITY
  }

  die(): void {
    if (this.#dead) return
    this.#dead = true
    this.#options.disk.cut(this.storage.synced, this.#options.random)
    this.#options.onDeath()
  }

  /** What arrives for a dead life arrives nowhere. */
  unlessDead<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => {
          if (!this.#dead) resolve(value)
        },
        (error: unknown) => {
          if (!this.#dead) reject(error)
        },
      )
    })
  }

  compared(stored: StoredHead): void {
    this.#hasCompared = true
    if (stored === null) return
    const isBehind = this.inspect(({ book }) => {
      if (stored.seq > book.head().seq) return true
      const ours = book.hashOf(stored.seq)
      return ours !== null && stored.seq > book.head().flushedSeq && !equalConstantTime(ours, stored.hash)
    })
    if (isBehind) this.#knowsItIsBehind = true
  }

  /** Looks without touching: no operation is counted, and none fails. */
  inspect<Value>(look: (ledger: Ledger) => Value): Value {
    this.#inspecting = true
    try {
      return look(this.ledger)
    } finally {
      this.#inspecting = false
    }
  }

  /** After each event: the unit of writes that was begun in it is over, and a due alarm goes off. */
  turn(): void {
    if (this.#dead) return
    const { outage, lostAnswers, slowness } = this.#options.weather
    if (outage || lostAnswers > 0 || slowness > 0) this.#couldCompare = false
    ignoringCut(() => this.storage.commit())
    if (this.#dead || this.#alarmRunning) return
    const { timeline } = this.#options
    const due = this.storage.alarmAt
    if (due === null) return
    if (due <= timeline.now) {
      this.#ring(due)
      return
    }
    if (due >= this.#alarmExpected && this.#alarmExpected > timeline.now) return
    this.#alarmExpected = due
    timeline.after(due - timeline.now, () => {})
  }

  #ring(due: number): void {
    this.#alarmRunning = true
    this.#options.tally.count('alarms')
    const handled = this.ledger.alarm().then(() => {
      this.#alarmRunning = false
      this.storage.clearAlarm(due)
    })
    this.#watch(handled)
  }

  #watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#dead) this.#options.onViolation(new Violation('ledger_threw', String(error)))
    })
  }
}
