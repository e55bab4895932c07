import { createHash } from 'node:crypto'
import { addUp, type Breakdown, breakdownOf } from './breakdowns.ts'

/** One hour of one zone, as Cloudflare's datasets would count it. */
export type HourOfTraffic = Breakdown & {
  readonly requests: number
  readonly visits: number
  readonly bytes: number
  readonly cachedBytes: number
  readonly uniques: number
  readonly sampleInterval: number
}
export type DayOfTraffic = Omit<HourOfTraffic, 'visits' | 'sampleInterval'>

export type WorldZone = {
  readonly id: string
  readonly name: string
  readonly accountId: string
  readonly hourlyBase: number
  readonly yearlyGrowth: number
  readonly weekendFactor: number
  readonly busiestHour: number
  readonly bytesPerRequest: number
}

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
/** The world has two years of history by the autumn of 2026, and goes on from there by its clock. */
export const WORLD_BEGINS = Date.UTC(2024, 9, 1)

type ZoneSeed = Omit<WorldZone, 'id' | 'accountId' | 'bytesPerRequest'>

const DEMO_ZONES: readonly ZoneSeed[] = [
  { name: 'northwind-bakery.example', hourlyBase: 420, yearlyGrowth: 0.35, weekendFactor: 1.45, busiestHour: 9 },
  { name: 'harbor-yoga.example', hourlyBase: 130, yearlyGrowth: 0.6, weekendFactor: 0.7, busiestHour: 18 },
  { name: 'atlas-cycles.example', hourlyBase: 960, yearlyGrowth: 0.2, weekendFactor: 1.2, busiestHour: 20 },
]

/** The last of an hour is counted up to this long after its end, another time for each hour: until then its row is not its last. */
const LATEST_MS = 9 * 60_000

/** A zone above this many requests an hour is answered from a sample, as adaptive bit rate does. */
const SAMPLED_ABOVE = 1000

/**
 * Every number is a pure function of seed, zone and hour: a restart, another order of queries or another window width
 * never changes what an hour was.
 */
export class World {
  readonly #zones: WorldZone[]
  readonly #gone = new Set<string>()
  readonly #seed: number
  /** Days that are over, by zone and begin: they never change, and a year of them is asked for at once. */
  readonly #pastDays = new Map<string, DayOfTraffic | undefined>()

  constructor(seed: number) {
    this.#seed = seed
    this.#zones = DEMO_ZONES.map((zone) => this.#zoneOf(zone))
  }

  /** Every zone that was ever there, in the order in which they came. */
  get zones(): readonly WorldZone[] {
    return this.#zones
  }

  isGone({ name }: WorldZone): boolean {
    return this.#gone.has(name)
  }

  /** A zone that its owner adds to the account, or brings back. */
  add(name: string): WorldZone {
    this.#gone.delete(name)
    const known = this.#zones.find((zone) => zone.name === name)
    if (known !== undefined) return known
    const added = this.#zoneOf({ name, hourlyBase: 90, yearlyGrowth: 0.1, weekendFactor: 1, busiestHour: 12 })
    this.#zones.push(added)
    return added
  }

  remove(name: string): void {
    if (!this.#zones.some((zone) => zone.name === name)) throw new Error(`the simulated world has no zone ${name}`)
    this.#gone.add(name)
  }

  #zoneOf(zone: ZoneSeed): WorldZone {
    return {
      ...zone,
      id: hexId(`zone ${this.#seed} ${zone.name}`),
      accountId: hexId(`account ${this.#seed}`),
      bytesPerRequest: 18_000 + Math.floor(this.#chance(zone.name, 0) * 30_000),
    }
  }

  /** The hour that begins at `begin`, as far as it is counted by `now`; undefined where there is nothing to count. */
  hour(zone: WorldZone, begin: number, now: number): HourOfTraffic | undefined {
    const countedMs = HOUR_MS + LATEST_MS * this.#chance(`${zone.id} late`, begin)
    const counted = Math.min(1, (now - begin) / countedMs)
    if (begin < WORLD_BEGINS || counted <= 0) return undefined
    const requests = Math.floor(this.#requests(zone, begin) * counted)
    if (requests === 0) return undefined
    const visits = Math.ceil(requests * (0.12 + 0.06 * this.#chance(`${zone.id} visits`, begin)))
    const bytes = requests * zone.bytesPerRequest
    const cachedBytes = Math.floor(bytes * (0.55 + 0.3 * this.#chance(`${zone.id} cache`, begin)))
    const uniques = Math.ceil(visits * 0.9)
    const divided = breakdownOf(`${this.#seed} ${zone.id} ${begin}`, requests)
    return {
      ...divided,
      requests,
      visits,
      bytes,
      cachedBytes,
      uniques,
      sampleInterval: requests > SAMPLED_ABOVE ? 10 : 1,
    }
  }

  /** The UTC day that begins at `begin`: the sum of its hours, and visitors who come more than once. */
  day(zone: WorldZone, begin: number, now: number): DayOfTraffic | undefined {
    if (begin + DAY_MS + LATEST_MS > now) return this.#day(zone, begin, now)
    const key = `${zone.id} ${begin}`
    if (!this.#pastDays.has(key)) this.#pastDays.set(key, this.#day(zone, begin, now))
    return this.#pastDays.get(key)
  }

  #day(zone: WorldZone, begin: number, now: number): DayOfTraffic | undefined {
    const hours = Array.from({ length: 24 }, (_, index) => this.hour(zone, begin + index * HOUR_MS, now))
    const counted = hours.filter((hour) => hour !== undefined)
    if (counted.length === 0) return undefined
    const sum = (pick: (hour: HourOfTraffic) => number) => counted.reduce((total, hour) => total + pick(hour), 0)
    return {
      ...addUp(counted),
      requests: sum((hour) => hour.requests),
      bytes: sum((hour) => hour.bytes),
      cachedBytes: sum((hour) => hour.cachedBytes),
      uniques: Math.ceil(sum((hour) => hour.visits) * 0.8),
    }
  }

  #requests(zone: WorldZone, begin: number): number {
    const at = new Date(begin)
    const years = (begin - WORLD_BEGINS) / (365 * DAY_MS)
    const growth = (1 + zone.yearlyGrowth) ** years
    const daily = 0.55 + 0.45 * Math.cos(((at.getUTCHours() - zone.busiestHour) / 24) * 2 * Math.PI)
    const weekday = at.getUTCDay()
    const weekly = weekday === 0 || weekday === 6 ? zone.weekendFactor : 1
    const noise = 0.8 + 0.4 * this.#chance(zone.id, begin)
    return Math.round(zone.hourlyBase * growth * daily * weekly * noise)
  }

  /** A number in [0, 1) that looks random and is always the same for the same question. */
  #chance(subject: string, at: number): number {
    const digest = createHash('sha256').update(`${this.#seed} ${subject} ${at}`).digest()
    return digest.readUInt32BE(0) / 0x1_0000_0000
  }
}

function hexId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
