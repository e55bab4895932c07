import type { MetricName } from '../../domain/metrics/definitions.ts'
import type { DatasetName } from '../../workers/connector/providers/provider.ts'
import type { ProviderSimulator, SimulatorOptions } from '../simulators/provider-simulator.ts'
import type { Account, GoldenSite } from './agency.ts'

export type Entry = {
  readonly metric: MetricName
  readonly windowStart: number
  readonly windowEnd: number
  readonly currency: string | null
  readonly value: number
}
export type BookSite = Pick<GoldenSite, 'ref' | 'timeZone'>

/** A simulator's own ledger of one dataset, computed from its world and never from what it has answered. */
export type Books = {
  readonly dataset: DatasetName
  /** What happened in each window that lies in [from, to), once nothing more can come late. */
  readonly counted?: {
    readonly metrics: readonly MetricName[]
    /** From then on after its end, a window must be stored as complete. */
    readonly settlingMs: number
    /** How long before the key was stored the provider's rows begin. */
    readonly depthMs: number
    readonly entries: (site: BookSite, from: number, to: number) => Iterable<Entry>
  }
  /** What a reading of that moment gives: it can be had then and never later. */
  readonly read?: {
    /** A whole run may rest on a reading that is this much older. */
    readonly everyMs: number
    readonly metrics: readonly MetricName[]
    readonly entries: (site: BookSite, at: number) => Iterable<Entry>
  }
  /** What is told for a while only, and not to a key that is refused it meanwhile: a window that is stored as whole is this. */
  readonly fleeting?: {
    readonly metrics: readonly MetricName[]
    readonly entries: (site: BookSite, from: number, to: number) => Iterable<Entry>
  }
}

export type OpenProvider = {
  readonly simulator: ProviderSimulator
  readonly accounts: readonly Account[]
  readonly books: readonly Books[]
}
/** `retentionDays`: how far back the provider's plan keeps rows, where plans differ. */
export type Open = (options: SimulatorOptions, retentionDays: number) => Promise<OpenProvider>

export async function control(simulator: ProviderSimulator, path: string, body: object): Promise<void> {
  const answer = await fetch(`${simulator.controlUrl}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${path} of a simulator: ${await answer.text()}`)
}
