import type { Mode, World, WorldAccount } from './world.ts'

/** What an account took on one day in one currency, in the smallest unit that the currency has. */
export type DayTotals = {
  gross: number
  refunds: number
  disputes: number
  fees: number
  net: number
  payouts: number
}
/** By date and currency, as "2026-03-29 JPY". */
export type Ledger = Readonly<Record<string, DayTotals>>

type Window = { readonly account: WorldAccount; readonly mode: Mode; readonly from: number; readonly to: number }

/** The simulator's own books: each transaction put under the date that a clock on the account's wall showed. */
export function ledgerOf(world: World, { account, mode, from, to }: Window): Ledger {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: account.timeZone, dateStyle: 'short' })
  const ledger: Record<string, DayTotals> = {}
  for (const { created, currency, amount, fee, reportingCategory } of world.backwards(account, mode, to)) {
    const at = created * 1000
    if (at >= to) continue
    if (at < from) break
    const key = `${clock.format(at)} ${currency.toUpperCase()}`
    ledger[key] ??= { gross: 0, refunds: 0, disputes: 0, fees: 0, net: 0, payouts: 0 }
    enter(ledger[key], reportingCategory, inMinorUnits(amount, currency), inMinorUnits(fee, currency))
  }
  return ledger
}

/** Stripe counts krónur in hundredths. */
export function inMinorUnits(value: number, currency: string): number {
  return currency === 'isk' ? value / 100 : value
}

function enter(day: DayTotals, category: string, amount: number, fee: number): void {
  day.fees += fee
  switch (category) {
    case 'charge':
      day.gross += amount
      break
    case 'refund':
    case 'refund_failure':
      day.refunds -= amount
      break
    case 'dispute':
    case 'dispute_reversal':
      day.disputes -= amount
      break
    case 'fee':
      day.fees -= amount
      break
    case 'payout':
      day.payouts -= amount
      break
  }
  if (category !== 'payout') day.net += amount - fee
}
