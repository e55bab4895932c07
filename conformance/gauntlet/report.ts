import type { VaultCase } from './vault.ts'

export type Scale = 'ci' | 'full'

/** One forgery, and what became of it. */
export type Try = {
  readonly kind: string
  readonly variant: string
  readonly detected: boolean
  /** From the forgery to the moment at which it was raised. */
  readonly ms: number
  readonly by: 'verifier' | 'client'
  /** What it was raised as. */
  readonly named: readonly string[]
}

export type Case = {
  readonly kind: string
  readonly tries: number
  readonly detected: number
  /** The median. */
  readonly ms: number
  readonly by: string
  readonly named: readonly string[]
}

export type Report = {
  readonly ok: boolean
  readonly seed: number
  readonly scale: Scale
  readonly tenants: number
  readonly rows: number
  readonly cases: readonly Case[]
  /** Stored credentials that were corrupted: whether their polls were refused, all in the same words. */
  readonly vault: readonly VaultCase[]
  readonly untouched_runs: number
  readonly false_alarms: number
  /** What went unseen or was called by another name or place, and what was raised though nothing was forged. */
  readonly findings: readonly string[]
}

export function casesOf(tries: readonly Try[]): Case[] {
  return [...Map.groupBy(tries, ({ kind }) => kind)].map(([kind, ofKind]) => caseOf(kind, ofKind))
}

/** The same, a line for each variant of a kind: what docs/gauntlet.md has. */
export function variantsOf(tries: readonly Try[]): (Case & { readonly variant: string })[] {
  return [...Map.groupBy(tries, ({ kind, variant }) => `${kind}: ${variant}`).values()].flatMap((ofVariant) => {
    const [first] = ofVariant
    return first === undefined ? [] : [{ variant: first.variant, ...caseOf(first.kind, ofVariant) }]
  })
}

function caseOf(kind: string, tries: readonly Try[]): Case {
  const seen = tries.filter(({ detected }) => detected)
  return {
    kind,
    tries: tries.length,
    detected: seen.length,
    ms: median(seen.map(({ ms }) => ms)),
    by: [...new Set(seen.map(({ by }) => by))].sort().join(', '),
    named: [...new Set(seen.flatMap(({ named }) => named))].sort(),
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
