import { describe, expect, it } from 'vitest'
import { proveKills } from './kills.ts'
import { proveOperation } from './operate.ts'
import { proveTotals } from './totals.ts'

/** `npm run golden -- --scale full` is three seeds over two years, fifty kills and thirty days. */
const OPTIONS = { seed: 3, scale: 'ci', say: (line: string) => void process.stderr.write(`${line}\n`) } as const
const TIMEOUT_MS = 180_000

describe('what four providers’ polls store, against the simulators’ own ledgers', () => {
  it(
    'L1: sixty days, half of them read back, with every fault on the way: no figure lost, doubled, shifted or of another currency',
    async () => {
      const { seeds } = await proveTotals(OPTIONS)
      expect(seeds).toHaveLength(1)
      for (const { differences, without_books, histories_left, expected, fault_rates } of seeds) {
        expect(differences).toEqual([])
        expect(without_books).toEqual([])
        expect(histories_left).toBe(0)
        expect(expected).toBeGreaterThan(20_000)
        expect(Object.values(fault_rates).every((rate) => rate > 0.01)).toBe(true)
      }
    },
    TIMEOUT_MS,
  )
  it(
    'L1: a connector that is killed while it reads histories loses and doubles nothing',
    async () => {
      const { differences, histories_left, kills, leased_again } = await proveKills(OPTIONS)
      expect(differences).toEqual([])
      expect(histories_left).toBe(0)
      expect(kills).toBe(3)
      expect(leased_again).toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )
  it(
    'two days of operation: each key is polled when it is due, no provider is asked too often, no table grows that should not',
    async () => {
      const report = await proveOperation(OPTIONS)
      expect(report).toMatchObject({ ok: true, refused_calls: 0, unexplained: [], differences: [] })
      expect(report.jobs).toBeGreaterThan(250)
    },
    TIMEOUT_MS,
  )
})
