/** How often something was done, in how long, and a number that two sides that did the same work share. */
export type Measure = { readonly times: number; readonly ms: number; readonly work: string }
export type Side = () => Promise<Measure>

/** The shape that `--json` prints; `interfaces` of outsiders fix these names. */
export type BenchResult = {
  readonly name: string
  /** Medians over the rounds, in `unit`. */
  readonly ours: number
  /** Null where the limit is a figure and not another program. */
  readonly peer: number | null
  /** The ratio, or without a peer the figure, that must be reached. */
  readonly limit: number
  /** Median of the rounds' ratios, turned so that more is better; null without a peer. */
  readonly ratio: number | null
  readonly unit: string
  /** Smallest and largest of the rounds. */
  readonly spread: { readonly ours: Range; readonly peer: Range | null; readonly ratio: Range | null }
  readonly reached: boolean
}
type Range = readonly [least: number, most: number]

export class UnequalWork extends Error {}

/**
 * Both sides in turn, round after round, so that what else the machine does meets both alike; the first round only warms up.
 * The ratio is taken within each round.
 */
export async function inRounds<Name extends string>(
  rounds: number,
  sides: Readonly<Record<Name, Side>>,
  say: (line: string) => void,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[]
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = 0; round <= rounds; round += 1) {
    const measures = new Map<Name, Measure>()
    // Every other round runs them the other way about.
    for (const name of round % 2 === 0 ? names : names.toReversed()) measures.set(name, await sides[name]())
    const works = new Set([...measures.values()].map(({ work }) => work))
    if (works.size > 1) throw new UnequalWork(`the sides did not do the same work: ${[...works].join(', ')}`)
    if (round === 0) continue
    for (const [name, { times, ms }] of measures) rates[name].push((times * 1000) / ms)
    say(
      `  round ${round} of ${rounds}: ${names.map((name) => `${name} ${rounded(rates[name].at(-1) ?? 0)}/s`).join(', ')}`,
    )
  }
  return rates
}

type Comparison = {
  readonly name: string
  readonly unit: string
  readonly ours: readonly number[]
  readonly peer: readonly number[]
  readonly limit: number
  /** What both sides measure is better when it is less, such as a latency. */
  readonly lessIsBetter?: boolean
}

export function compared({ name, unit, ours, peer, limit, lessIsBetter = false }: Comparison): BenchResult {
  const ratios = ours.map((mine, round) => {
    const theirs = peer[round] ?? Number.NaN
    return lessIsBetter ? theirs / mine : mine / theirs
  })
  const ratio = median(ratios)
  return {
    name,
    ours: rounded(median(ours)),
    peer: rounded(median(peer)),
    limit,
    ratio: rounded(ratio),
    unit,
    spread: { ours: rangeOf(ours), peer: rangeOf(peer), ratio: rangeOf(ratios) },
    reached: ratio >= limit,
  }
}

export function measured(name: string, unit: string, ours: readonly number[], limit: number): BenchResult {
  return {
    name,
    ours: rounded(median(ours)),
    peer: null,
    limit,
    ratio: null,
    unit,
    spread: { ours: rangeOf(ours), peer: null, ratio: null },
    reached: median(ours) >= limit,
  }
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** Of the values in order, the one at or right above that share. */
export function percentile(values: readonly number[], share: number): number {
  const ordered = values.toSorted((one, other) => one - other)
  return ordered[Math.max(0, Math.ceil(ordered.length * share) - 1)] ?? Number.NaN
}

function rangeOf(values: readonly number[]): Range {
  return [rounded(Math.min(...values)), rounded(Math.max(...values))]
}

/** Three digits that mean something. */
function rounded(value: number): number {
  return Number(value.toPrecision(value >= 100 ? Math.ceil(Math.log10(value)) : 3))
}
