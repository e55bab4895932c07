import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MUTATIONS } from './mutations.ts'
import type { SimulationDocument } from './simulate.ts'

const RUNS = 300
const TIMEOUT_MS = 180_000

describe('a seeded simulation of the ledger', () => {
  it(`L1, L2 of ${RUNS} histories no promise breaks: nothing forked, missing, lost, renumbered or released twice`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { ok, failures, counts } = await simulate('simulate.ts', '--seed', '1', '--runs', String(RUNS))
    expect(failures).toEqual([])
    expect(ok).toBe(true)
    // Faults did happen, and each end that a disagreement can have was come to.
    for (const what of [
      'crashes',
      'outages',
      'lost_acknowledgements',
      'repeated_inserts',
      'ledgers_set_back',
      'postgres_set_back',
      'ended_ledger_behind',
      'ended_audit_rows_gone',
      'ended_in_agreement',
    ]) {
      expect(counts[what], what).toBeGreaterThan(0)
    }
  })

  it('plays a seed the same way each time', { timeout: TIMEOUT_MS }, async () => {
    const [once, again] = [
      await simulate('simulate.ts', '--seed', '7', '--runs', '10'),
      await simulate('simulate.ts', '--seed', '7', '--runs', '10'),
    ]
    expect(again.counts).toEqual(once.counts)
  })

  it(`L1, L2 sees each of ${MUTATIONS.length} broken lines of the ledger`, { timeout: TIMEOUT_MS }, async () => {
    const waiting = [...MUTATIONS]
    const unseen: string[] = []
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { failures } = await simulate('mutated.ts', next.name, '--runs', String(RUNS), '--stop-at-first')
        if (failures.length === 0) unseen.push(next.name)
      }
    }
    await Promise.all([work(), work()])
    expect(unseen).toEqual([])
  })
})

async function simulate(program: string, ...args: readonly string[]): Promise<SimulationDocument> {
  const child = spawn(process.execPath, [join(import.meta.dirname, program), ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await new Promise((ended) => child.once('close', ended))
  return JSON.parse(output) as SimulationDocument
}
