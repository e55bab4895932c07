import { createHash } from 'node:crypto'
import { HOUR_MS, type Mode, WORLD_BEGINS, type WorldAccount } from './accounts.ts'
import { Subscriptions } from './subscriptions.ts'

export { HOUR_MS, type Mode, WORLD_BEGINS, type WorldAccount }

/** UTC-8 and UTC+1 with their summer times, UTC+5:30, UTC+13 in summer; currencies with two, none and three places. */
const ACCOUNTS = [
  { displayName: 'Northwind Bakery', timeZone: 'Europe/Berlin', currencies: ['eur', 'usd', 'jpy'] },
  { displayName: 'Harbor Yoga', timeZone: 'America/Los_Angeles', currencies: ['usd', 'cad', 'jpy'] },
  { displayName: 'Atlas Cycles', timeZone: 'Asia/Kolkata', currencies: ['inr', 'usd', 'kwd'] },
  { displayName: 'Kauri Books', timeZone: 'Pacific/Auckland', currencies: ['nzd', 'aud', 'isk'] },
] as const

/** As `GET /v1/balance_transactions` shows it, and when it first does. */
export type Transaction = {
  readonly id: string
  readonly amount: number
  readonly fee: number
  readonly currency: string
  /** Unix seconds. */
  readonly created: number
  readonly type: string
  readonly reportingCategory: string
  /** Unix milliseconds: one in ten shows up some time after it was created. */
  readonly visibleAt: number
}

const LONGEST_DELAY_MS = 50 * 60_000
/** Stripe counts krónur in hundredths, and whole ones only. */
const WHOLE_ONLY: ReadonlySet<string> = new Set(['isk'])

type Kind = { readonly upTo: number; readonly type: string; readonly category: string; readonly sign: 1 | -1 }
/** By the value of one random byte. */
const KINDS: readonly Kind[] = [
  { upTo: 190, type: 'charge', category: 'charge', sign: 1 },
  { upTo: 213, type: 'refund', category: 'refund', sign: -1 },
  { upTo: 216, type: 'refund_failure', category: 'refund_failure', sign: 1 },
  { upTo: 224, type: 'adjustment', category: 'dispute', sign: -1 },
  { upTo: 228, type: 'adjustment', category: 'dispute_reversal', sign: 1 },
  { upTo: 236, type: 'stripe_fee', category: 'fee', sign: -1 },
  { upTo: 238, type: 'adjustment', category: 'other_adjustment', sign: -1 },
  { upTo: 256, type: 'payout', category: 'payout', sign: -1 },
]

/** Every transaction is a pure function of seed, account, mode and hour: no query, restart or order of them changes one. */
export class World {
  readonly accounts: readonly WorldAccount[]
  readonly subscriptions: Subscriptions
  readonly #seed: number
  readonly #hours = new Map<string, readonly Transaction[]>()

  constructor(seed: number) {
    this.#seed = seed
    this.subscriptions = new Subscriptions(seed)
    this.accounts = ACCOUNTS.map((account) => ({
      ...account,
      id: `acct_1${digest(`account ${seed} ${account.displayName}`).toString('hex').slice(0, 15)}`,
    }))
  }

  /** Newest first, from `before` back to the beginning of the world. */
  *backwards(account: WorldAccount, mode: Mode, before: number): Generator<Transaction> {
    for (let begin = Math.floor(before / HOUR_MS) * HOUR_MS; begin >= WORLD_BEGINS; begin -= HOUR_MS) {
      yield* this.#hour(account, mode, begin)
    }
  }

  #hour(account: WorldAccount, mode: Mode, begin: number): readonly Transaction[] {
    const key = `${this.#seed} ${account.id} ${mode} ${begin}`
    const known = this.#hours.get(key)
    if (known !== undefined) return known
    const count = countOf(digest(key).readUInt8(0))
    const made = Array.from({ length: count }, (_, index) => transactionOf(account, begin, digest(`${key} ${index}`)))
    made.sort((a, b) => b.created - a.created || (a.id < b.id ? 1 : -1))
    this.#hours.set(key, made)
    return made
  }
}

/** Two in three hours at a small shop bring nothing. */
function countOf(byte: number): number {
  if (byte < 140) return 0
  if (byte < 220) return 1
  return byte < 250 ? 2 : 3
}

function transactionOf(account: WorldAccount, begin: number, random: Buffer): Transaction {
  const created = begin / 1000 + (random.readUInt32BE(0) % 3600)
  const kind = KINDS.find(({ upTo }) => random.readUInt8(4) < upTo)
  if (kind === undefined) throw new Error('a byte is below 256')
  const share = random.readUInt8(5)
  const currency = account.currencies[share < 180 ? 0 : share < 230 ? 1 : 2]
  const step = WHOLE_ONLY.has(currency) ? 100 : 1
  const size = step * (500 + (random.readUInt16BE(6) % 50_000))
  const delay = random.readUInt8(8) < 26 ? (random.readUInt16BE(9) / 0xffff) * LONGEST_DELAY_MS : 0
  return {
    id: `txn_3${created.toString(36)}${random.toString('hex').slice(22, 38)}`,
    amount: kind.sign * size,
    fee: feeOf(kind.category, size, step),
    currency,
    created,
    type: kind.type,
    reportingCategory: kind.category,
    visibleAt: created * 1000 + Math.round(delay),
  }
}

function feeOf(category: string, size: number, step: number): number {
  if (category === 'charge') return step * (Math.round((size / step) * 0.029) + 30)
  return category === 'dispute' ? step * 1500 : 0
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
