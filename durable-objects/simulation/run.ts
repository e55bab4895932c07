import type { SealedRow } from '../../domain/audit/row.ts'
import { equalConstantTime } from '../../domain/bytes.ts'
import type { AppendAnswer, AppendRequest, Door } from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { Disk, type DiskImage, ignoringCut, PowerCut } from './disk.ts'
import { ConnectionLost, type Weather } from './faulty-store.ts'
import { hasForeignRows, judgeAlways, judgeDrained, judgeEnd } from './judgement.ts'
import { Life } from './life.ts'
import { ModelLog, type ModelState } from './model-log.ts'
import { Random } from './random.ts'
import type { Tally } from './tally.ts'
import { Timeline } from './timeline.ts'
import { Violation } from './violation.ts'
import { type Asked, Witness } from './witness.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const DAY_MS = 24 * 60 * MINUTE_MS
/** Two minutes before a month ends: chains cross epochs. */
const START = Date.UTC(2026, 9, 31, 23, 58)
const BUDGETS: Readonly<Record<'connector' | 'edge', number>> = { connector: 12, edge: 4 }
const SEALED_BYTES = 285
/** Longer than the feed's longest pause. */
const SETTLING_MS = 20 * MINUTE_MS
/** Operations on storage and network, of a life that a crash ends. */
const LONGEST_LIFE = 120
const PRUNED_AFTER_MS = 37 * DAY_MS
const CALM: Weather = { outage: false, lostAnswers: 0, slowness: 0, strikes: 0 }

/** What is set back to an older state in a run, besides crashes, outages and lost answers. */
type SetBack = 'nothing' | 'ledger' | 'postgres' | 'both'
type Plan = {
  readonly setBack: SetBack
  readonly storms: number
  readonly unfreezes: boolean
  readonly agesLong: boolean
  /** Of a life: that it ends at one of its next operations. */
  readonly crashes: number
}

export type RunOptions = {
  readonly seed: number
  readonly folder: string
  readonly tally: Tally
  readonly say: (line: string) => void
}

/** One seeded history of one tenant's ledger. Null when every promise held. */
export async function runSeed(options: RunOptions): Promise<Violation | null> {
  const world = new World(options)
  try {
    await world.play()
    return null
  } catch (error) {
    if (error instanceof Violation) return error
    throw error
  } finally {
    world.remove()
  }
}

class World {
  readonly #random: Random
  readonly #timeline: Timeline
  readonly #disk: Disk
  readonly #log: ModelLog
  readonly #witness = new Witness({ ...BUDGETS, gateway: 0, operator: 0 })
  readonly #tally: Tally
  readonly #say: (line: string) => void
  readonly #tenantId: TenantId
  readonly #plan: Plan
  readonly #weather: Weather = { ...CALM }
  readonly #sent: SealedRow[] = []
  #life: Life | null = null
  #crashes = 0
  #frozen = false
  #unfreezes = 0
  #auditShare: Uint8Array | null = null
  #ledgerBackup: DiskImage | null = null
  #logBackup: ModelState | null = null
  #violation: Violation | null = null

  constructor({ seed, folder, tally, say }: RunOptions) {
    this.#random = new Random(seed)
    this.#timeline = new Timeline(this.#random, START, () => this.#turn())
    this.#disk = new Disk(folder)
    this.#tenantId = TenantId.parse(this.#random.uuid())
    this.#log = new ModelLog(this.#tenantId)
    this.#tally = tally
    this.#say = say
    this.#plan = {
      setBack: this.#random.pick([
        'nothing',
        'nothing',
        'nothing',
        'nothing',
        'ledger',
        'ledger',
        'postgres',
        'postgres',
        'both',
      ]),
      storms: this.#random.between(1, 4),
      unfreezes: this.#random.chance(0.3),
      agesLong: this.#random.chance(0.25),
      crashes: this.#random.pick([0, 0.5, 0.9]),
    }
  }

  async play(): Promise<void> {
    this.#note(`plan ${JSON.stringify(this.#plan)}`)
    await this.#beBorn()
    for (let storm = 0; storm < this.#plan.storms; storm += 1) await this.#storm(this.#badWeather())
    if (this.#plan.setBack !== 'nothing') {
      const weather = this.#random.pick([CALM, this.#badWeather()])
      Object.assign(this.#weather, weather)
      this.#setBack()
      await this.#storm(weather)
    }
    await this.#settle()
  }

  remove(): void {
    this.#life?.die()
    this.#life = null
    this.#disk.remove()
  }

  async #beBorn(): Promise<void> {
    this.#crashes = this.#plan.crashes
    while (this.#auditShare === null) {
      this.#askForShare()
      await this.#pass(10 * SECOND_MS)
    }
  }

  /** Some seconds in which clients, faults and crashes meet in any order. */
  async #storm(weather: Weather): Promise<void> {
    this.#crashes = this.#plan.crashes
    Object.assign(this.#weather, weather)
    const length = this.#random.pick([SECOND_MS / 4, this.#random.between(1, 15) * SECOND_MS])
    const sometime = (run: () => void) => this.#timeline.after(this.#random.between(0, length), run)
    for (let client = this.#random.between(2, 12); client > 0; client -= 1) sometime(() => this.#append())
    if (weather !== CALM) {
      for (let times = this.#random.between(0, 2); times > 0; times -= 1) sometime(() => this.#outage())
    }
    if (this.#random.chance(0.4)) sometime(() => this.#life?.die())
    if (this.#random.chance(0.3)) sometime(() => this.#askForShare())
    if (this.#random.chance(0.15)) sometime(() => this.#freeze())
    if (this.#plan.unfreezes) sometime(() => this.#unfreeze())
    if (this.#random.chance(0.6)) sometime(() => this.#backUp())
    await this.#pass(length)
  }

  #badWeather(): Weather {
    return {
      outage: false,
      lostAnswers: this.#random.pick([0, 0.1, 0.4]),
      slowness: this.#random.pick([0, 0, 0.3]),
      strikes: this.#random.pick([0, 0.1]),
    }
  }

  #outage(): void {
    this.#note('Postgres is out of reach')
    this.#tally.count('outages')
    this.#weather.outage = true
    this.#timeline.after(this.#random.between(100, 12 * SECOND_MS), () => {
      this.#note('Postgres is back')
      this.#weather.outage = false
    })
  }

  #backUp(): void {
    if (this.#random.chance(0.5)) this.#logBackup = this.#log.backup()
    if (this.#life !== null && this.#random.chance(0.5)) {
      this.#ledgerBackup = this.#disk.backup(this.#life.storage.synced)
    }
  }

  #setBack(): void {
    const { setBack } = this.#plan
    if (this.#logBackup !== null && (setBack === 'postgres' || setBack === 'both')) {
      this.#log.restore(this.#logBackup)
      this.#tally.count('postgres_set_back')
      this.#note(`Postgres is set back to row ${this.#log.rows.length}`)
    }
    if (this.#ledgerBackup !== null && (setBack === 'ledger' || setBack === 'both')) {
      this.#life?.die()
      this.#disk.restore(this.#ledgerBackup)
      this.#crashes = 0
      const seq = this.#start()?.inspect(({ book }) => book.head().seq) ?? 0
      this.#witness.forgetAfter(seq)
      this.#frozen = false
      this.#tally.count('ledgers_set_back')
      this.#note(`the ledger is set back to row ${seq}`)
    }
  }

  /** Faults stop. What the ledger has left to do it must now do by itself. */
  async #settle(): Promise<void> {
    Object.assign(this.#weather, CALM)
    this.#crashes = 0
    this.#life?.spare()
    if (this.#random.chance(0.5)) this.#life?.die()
    if (this.#plan.agesLong && this.#plan.setBack === 'nothing') await this.#age()
    await this.#pass(SETTLING_MS)
    if (this.#plan.setBack === 'nothing') judgeDrained(this.#aliveAtTheEnd(), this.#log)
    this.#witness.budgetsCounted = false
    // What a dead life had sent may have arrived after the comparison: then the first row is refused by Postgres, and no further one begun.
    await this.#appendOnce()
    const lastAnswer = await this.#appendOnce()
    const setBack = this.#plan.setBack !== 'nothing'
    this.#tally.count(judgeEnd(this.#aliveAtTheEnd(), this.#log, this.#witness, { setBack, lastAnswer }))
  }

  async #appendOnce(): Promise<string> {
    let told = 'none'
    const { row, at } = this.#freshRequest()
    this.#send([{ request: { row, at }, kind: 'fresh' }], (answer) => {
      told = answer.ok ? 'ok' : answer.code
    })
    await this.#pass(SETTLING_MS)
    return told
  }

  /** Off for longer than fed rows are kept, with some rows that were never fed, and Postgres still out of reach afterwards. */
  async #age(): Promise<void> {
    this.#tally.count('ages')
    this.#weather.outage = true
    this.#append()
    await this.#pass(MINUTE_MS)
    this.#life?.die()
    this.#timeline.leap(PRUNED_AFTER_MS)
    await this.#pass(10 * MINUTE_MS)
    this.#weather.outage = false
  }

  #aliveAtTheEnd(): Life {
    const life = this.#living()
    if (life === null) throw new Violation('not_alive', 'at the end')
    return life
  }

  async #pass(ms: number): Promise<void> {
    await this.#timeline.until(this.#timeline.now + ms)
    if (this.#violation !== null) throw this.#violation
  }

  #turn(): void {
    this.#life?.turn()
  }

  /** The object is started by whoever calls it, or by its alarm. */
  #living(): Life | null {
    if (this.#life !== null) return this.#life
    const life = this.#start()
    if (life !== null) this.#judge(life)
    return life
  }

  #start(): Life | null {
    ignoringCut(() => {
      const life = new Life({
        disk: this.#disk,
        log: this.#log,
        timeline: this.#timeline,
        random: this.#random,
        weather: this.#weather,
        tally: this.#tally,
        endsAt: this.#random.chance(this.#crashes) ? this.#random.between(1, LONGEST_LIFE) : Number.POSITIVE_INFINITY,
        onDeath: () => this.#died(),
        onViolation: (violation) => this.#fail(violation),
      })
      if (!life.isDead) this.#life = life
    })
    return this.#life
  }

  #judge(life: Life): void {
    try {
      judgeAlways(life, this.#log, this.#witness)
    } catch (error) {
      this.#fail(error)
    }
  }

  #died(): void {
    this.#tally.count('crashes')
    this.#note('the ledger has crashed')
    this.#life = null
    // Alarms start an object that is not running.
    this.#timeline.after(this.#random.between(0, 3 * SECOND_MS), () => void this.#living())
  }

  #append(): void {
    this.#send(Array.from({ length: this.#random.pick([1, 1, 1, 2, 5]) }, () => this.#someRequest()))
  }

  #someRequest(): Asked {
    const earlier = this.#sent.length > 0 && this.#random.chance(0.35) ? this.#random.pick(this.#sent) : null
    if (earlier === null) return { request: this.#freshRequest(), kind: 'fresh' }
    if (this.#random.chance(0.8)) return { request: this.#request(earlier), kind: 'again' }
    return { request: this.#request({ ...earlier, sealed: this.#random.bytes(SEALED_BYTES) }), kind: 'altered' }
  }

  #freshRequest(): AppendRequest {
    const row = {
      tenantId: this.#tenantId,
      rowId: this.#random.uuid(),
      keyVersion: 1,
      actorTag: this.#random.bytes(32),
      actionTag: this.#random.bytes(32),
      targetTag: this.#random.bytes(32),
      sealed: this.#random.bytes(SEALED_BYTES),
    }
    this.#sent.push(row)
    return this.#request(row)
  }

  #request(row: SealedRow): AppendRequest {
    // Callers' clocks differ, also backwards.
    const at = this.#timeline.now + this.#random.between(-90, 90) * SECOND_MS
    const door: Door & keyof typeof BUDGETS = this.#random.pick(['connector', 'edge'])
    const release = this.#random.chance(0.5) ? { release: { door, budgetPerHour: BUDGETS[door] } } : {}
    return { row, at, ...release }
  }

  #send(sent: readonly Asked[], hear: (answer: AppendAnswer) => void = () => {}): void {
    const life = this.#living()
    if (life === null) return
    this.#tally.count('appends_asked', sent.length)
    const shown = life.couldCompare && !life.hasCompared && hasForeignRows(life, this.#log)
    const before = { known: life.knowsItIsBehind, shown }
    const frozen = this.#frozen ? this.#unfreezes : null
    this.#hear(life, life.ledger.appendMany(sent.map(({ request }) => request)), (answers) => {
      const circumstances = {
        knownBehind: before.known || (before.shown && life.couldCompare),
        frozen: frozen === this.#unfreezes,
      }
      for (const [index, one] of sent.entries()) {
        const answer = answers[index]
        if (answer === undefined) throw new Violation('answered_short', `${answers.length} of ${sent.length}`)
        this.#record(one, answer)
        this.#witness.learn(one, circumstances, answer)
        hear(answer)
      }
    })
  }

  #record({ request, kind }: Asked, answer: AppendAnswer): void {
    const place = 'seq' in answer ? ` at ${answer.seq}` : ''
    this.#note(`${kind} row ${request.row.rowId.slice(0, 8)}: ${answer.ok ? 'ok' : answer.code}${place}`)
    this.#tally.count(answer.ok ? 'appends_acknowledged' : `refused_${answer.code}`)
    if (answer.ok && answer.share !== null) this.#tally.count('shares_given')
  }

  #askForShare(): void {
    const life = this.#living()
    if (life === null) return
    this.#hear(life, life.ledger.auditShare(this.#tenantId), (answer) => {
      if (!answer.ok) {
        throw new Violation('share_refused', answer.code)
      }
      this.#auditShare ??= answer.share
      if (!equalConstantTime(this.#auditShare, answer.share)) throw new Violation('audit_share_changed', '')
    })
  }

  #freeze(): void {
    const life = this.#living()
    if (life === null) return
    const lifted = this.#unfreezes
    this.#hear(life, life.ledger.freeze('drill', this.#timeline.now), () => {
      this.#note('frozen')
      this.#frozen = lifted === this.#unfreezes
    })
  }

  #unfreeze(): void {
    const life = this.#living()
    if (life === null) return
    this.#frozen = false
    this.#unfreezes += 1
    this.#witness.budgetsCounted = false
    this.#hear(life, life.ledger.unfreeze(), () => {})
  }

  /** An answer counts once it has left a ledger that lives. */
  #hear<Answer>(life: Life, asked: Promise<Answer>, listen: (answer: Answer) => void): void {
    asked.then(
      (answer) => {
        if (life.isDead) return
        try {
          listen(answer)
        } catch (error) {
          this.#fail(error)
        }
      },
      (error: unknown) => {
        // A birth waits for Postgres: whether the tenant had a ledger before is known only there.
        const isRefusedBirth = error instanceof ConnectionLost && this.#auditShare === null
        if (!life.isDead && !isRefusedBirth && !(error instanceof PowerCut))
          this.#fail(new Violation('ledger_threw', String(error)))
      },
    )
  }

  #fail(error: unknown): void {
    this.#note(`VIOLATION ${String(error)}`)
    this.#violation ??= error instanceof Violation ? error : new Violation('simulation_threw', String(error))
  }

  #note(line: string): void {
    this.#say(`${((this.#timeline.now - START) / SECOND_MS).toFixed(3).padStart(10)} s  ${line}`)
  }
}
