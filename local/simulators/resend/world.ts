import { createHash } from 'node:crypto'
import type { EventCount } from '../../../domain/providers/resend/schemas.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
/** The world has two years of history by the autumn of 2026, and goes on from there by its clock. */
export const WORLD_BEGINS = Date.UTC(2024, 9, 1)

export type MailEvent = { readonly name: EventCount; readonly at: number }
/** One mail and all that ever becomes of it, oldest first. What is later than the clock has not happened yet. */
export type Mail = {
  readonly id: string
  readonly domain: WorldDomain
  readonly to: string
  readonly subject: string
  readonly createdAt: number
  readonly events: readonly MailEvent[]
}
export type WorldDomain = {
  readonly id: string
  readonly name: string
  readonly createdAt: number
  readonly dailyBase: number
  /** Which of its DNS records goes missing now and then; null for one whose records stay. */
  readonly drifting: 'SPF' | 'DKIM' | null
}
export type RecordStatus = 'verified' | 'failed'

const DEMO_DOMAINS = [
  { name: 'mail.northwind-bakery.example', dailyBase: 42, drifting: null },
  { name: 'harbor-yoga.example', dailyBase: 11, drifting: 'DKIM' },
  { name: 'news.atlas-cycles.example', dailyBase: 75, drifting: 'SPF' },
] as const
/** Of 28 days, the three in which a drifting record is gone. */
const DRIFT = { every: 28, from: 20, until: 23 } as const

/** Every mail is a pure function of seed, domain, day and number: no order of questions changes what it was. */
export class World {
  readonly domains: readonly WorldDomain[]
  readonly #seed: number
  readonly #days = new Map<string, readonly Mail[]>()

  constructor(seed: number) {
    this.#seed = seed
    this.domains = DEMO_DOMAINS.map((domain, index) => ({
      ...domain,
      id: this.#id(index, -1, 0),
      createdAt: WORLD_BEGINS - (index + 1) * DAY_MS,
    }))
  }

  /** The mails of the UTC day that begins at `begin`, in order of time, whether or not it is over. */
  mails(domain: WorldDomain, begin: number): readonly Mail[] {
    const key = `${domain.id} ${begin}`
    const known = this.#days.get(key)
    if (known !== undefined) return known
    const made = begin < WORLD_BEGINS ? [] : this.#day(domain, begin)
    this.#days.set(key, made)
    return made
  }

  /** By its id, which says where in the world it lies. */
  mail(id: string): Mail | undefined {
    const place = placeOf(id)
    const domain = place === undefined ? undefined : this.domains[place.domain]
    if (place === undefined || domain === undefined) return undefined
    return this.mails(domain, place.day * DAY_MS).find((mail) => mail.id === id)
  }

  recordStatus({ drifting }: WorldDomain, record: string, at: number): RecordStatus {
    const day = Math.floor(at / DAY_MS) % DRIFT.every
    return record === drifting && day >= DRIFT.from && day < DRIFT.until ? 'failed' : 'verified'
  }

  #day(domain: WorldDomain, begin: number): readonly Mail[] {
    const weekday = new Date(begin).getUTCDay()
    const weekly = weekday === 0 || weekday === 6 ? 0.3 : 1
    const quiet = this.#chance(`${domain.name} quiet`, begin) < 0.04
    const noise = 0.6 + 0.8 * this.#chance(domain.name, begin)
    const count = quiet ? 0 : Math.round(domain.dailyBase * weekly * noise)
    const mails = Array.from({ length: count }, (_, index) => this.#mail(domain, begin, index))
    return mails.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  }

  #mail(domain: WorldDomain, begin: number, index: number): Mail {
    const bytes = this.#digest(`${domain.name} mail ${index}`, begin)
    const share = (offset: number) => bytes.readUInt32BE(offset) / 0x1_0000_0000
    const createdAt = begin + Math.floor(share(0) * DAY_MS)
    return {
      id: this.#id(this.domains.indexOf(domain), begin / DAY_MS, index),
      domain,
      to: `person-${bytes.toString('hex', 20, 24)}@customer.example`,
      subject: `Order ${bytes.readUInt16BE(24)}`,
      createdAt,
      events: eventsOf(createdAt, share(4), share(8), share(12)),
    }
  }

  /** A UUID of version 8: domain, day and number in its first bytes, then what makes it another in another world. */
  #id(domain: number, day: number, index: number): string {
    const bytes = this.#digest(`id ${domain} ${day} ${index}`, 0).subarray(0, 16)
    bytes.writeUInt8(domain, 0)
    bytes.writeUInt32BE(day + 1, 1)
    bytes.writeUInt8(0x80 | (index >> 8), 6)
    bytes.writeUInt8(index & 0xff, 7)
    bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }

  /** A number in [0, 1) that looks random and is always the same for the same question. */
  #chance(subject: string, at: number): number {
    return this.#digest(subject, at).readUInt32BE(0) / 0x1_0000_0000
  }

  #digest(subject: string, at: number): Buffer {
    return createHash('sha256').update(`${this.#seed} ${subject} ${at}`).digest()
  }
}

function placeOf(id: string): { readonly domain: number; readonly day: number } | undefined {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) return undefined
  return { domain: bytes.readUInt8(0), day: bytes.readUInt32BE(1) - 1 }
}

/** The last of it comes within 64 hours: bounces and complaints reach a mail's day when that day is long over. */
function eventsOf(createdAt: number, fate: number, delay: number, lateness: number): readonly MailEvent[] {
  if (fate < 0.015) return [{ name: 'suppressed', at: createdAt + 500 }]
  const sent: MailEvent = { name: 'sent', at: createdAt + 1000 }
  const handedOver = sent.at + 1000 + Math.floor(delay * 20_000)
  if (fate < 0.04) {
    const delayed: MailEvent = { name: 'delivery_delayed', at: handedOver }
    return [sent, delayed, { name: 'bounced', at: handedOver + Math.floor(lateness * 60 * HOUR_MS) }]
  }
  if (fate < 0.07) return [sent, { name: 'bounced', at: handedOver }]
  const delayed: readonly MailEvent[] = fate < 0.12 ? [{ name: 'delivery_delayed', at: handedOver }] : []
  const deliveredAt = delayed.length === 0 ? handedOver : handedOver + Math.floor(delay * 4 * HOUR_MS)
  const delivered: MailEvent = { name: 'delivered', at: deliveredAt }
  const complaint: MailEvent = { name: 'complained', at: deliveredAt + Math.floor(lateness * 60 * HOUR_MS) }
  return [sent, ...delayed, delivered, ...(fate > 0.985 ? [complaint] : [])]
}
