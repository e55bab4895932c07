import type { BenchResult } from './compare.ts'

/** `ci` only shows that both sides run and do the same; figures are those of `full`. */
export type Scale = 'ci' | 'full'
export type BenchRun = {
  readonly scale: Scale
  readonly seed: number
  readonly say: (line: string) => void
}
export type Bench = (run: BenchRun) => Promise<readonly BenchResult[]>
