import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchResult } from './compare.ts'
import type { MachineFacts } from './machine.ts'

const PAGE = join(import.meta.dirname, '../../docs/benchmarks.md')
const [BEGIN, END] = ['<!-- figures: npm run bench -- vault ledger verify --write -->', '<!-- end of figures -->']

/** Puts a run's figures where `docs/benchmarks.md` has those of the last one. */
export function writePage(results: readonly BenchResult[], machine: MachineFacts): void {
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error('docs/benchmarks.md has no place for figures')
  const { cpu, cores, load_before, node } = machine
  const figures = [
    '| | ours | peer | unit | ratio (its rounds) | at least | |',
    '|---|---|---|---|---|---|---|',
    ...results.map(row),
    '',
    `${cores} cores of ${cpu}, Node ${node}; load before the run ${load_before.toFixed(1)}.`,
  ]
  writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n${figures.join('\n')}\n${page.slice(end)}`)
}

function row({ name, ours, peer, unit, ratio, spread, limit, reached }: BenchResult): string {
  const rounds = spread.ratio === null ? '' : ` (${spread.ratio.join(' to ')})`
  const cells = [name, ours, peer ?? '', unit, `${ratio ?? ''}${rounds}`, limit, reached ? 'reached' : '**missed**']
  return `| ${cells.join(' | ')} |`
}
