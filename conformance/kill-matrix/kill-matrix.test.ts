import { expect, test } from 'vitest'
import { runMatrix } from './run.ts'

/** `npm run kills -- --scale full` is the same with every victim in every phase. It boots a stack of its own: this one must die. */
const TIMEOUT_MS = 420_000
const SEED = 3

test(
  'L1/L2: whatever is killed or paused, no audit row is lost, doubled, forked or stuck, and no acknowledged step disappears',
  async () => {
    const report = await runMatrix({ seed: SEED, scale: 'ci', say: (line) => void process.stderr.write(`${line}\n`) })
    expect(report.findings).toEqual([])
    expect(report.kills).toBeGreaterThanOrEqual(6)
    expect(report.facts_compared).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)
