import { inMinorUnits } from './ledger.ts'
import type { Mode, World, WorldAccount } from './world.ts'

type Window = { readonly account: WorldAccount; readonly mode: Mode; readonly from: number; readonly to: number }
/** By date and currency, then by reporting category: what it did to the balance, fees taken off, in the currency's smallest unit. */
export type CategoryLedger = Readonly<Record<string, Readonly<Record<string, number>>>>

export function categoryLedgerOf(world: World, { account, mode, from, to }: Window): CategoryLedger {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: account.timeZone, dateStyle: 'short' })
  const ledger: Record<string, Record<string, number>> = {}
  for (const { created, currency, amount, fee, reportingCategory } of world.backwards(account, mode, to)) {
    const at = created * 1000
    if (at >= to) continue
    if (at < from) break
    const key = `${clock.format(at)} ${currency.toUpperCase()}`
    const day = ledger[key] ?? {}
    day[reportingCategory] = (day[reportingCategory] ?? 0) + inMinorUnits(amount - fee, currency)
    ledger[key] = day
  }
  return ledger
}
