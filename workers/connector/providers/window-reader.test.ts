import { describe, expect, it } from 'vitest'
import { cursorAfter, oldestWindow, planWindows, readBefore, readWindows, stepOf } from './window-reader.ts'

const HOUR = 3_600_000
const NOW = Date.UTC(2026, 10, 24, 10, 30)
const THIS_HOUR = Date.UTC(2026, 10, 24, 10)
const bounds = {
  windowMs: HOUR,
  settlingMs: 600_000,
  notOlderThanMs: 31 * 24 * HOUR,
  maxDurationMs: 72 * HOUR,
  recentMs: 100 * HOUR,
}

describe('planWindows', () => {
  it('goes from the cursor to the end of the window that is under way', () => {
    const { chunks, completeUntil } = planWindows(bounds, THIS_HOUR - 2 * HOUR, NOW)
    expect(chunks).toEqual([{ from: THIS_HOUR - 2 * HOUR, to: THIS_HOUR + HOUR }])
    expect(completeUntil).toBe(THIS_HOUR)
  })
  it('begins with recent windows, inside what the provider keeps, and cuts them into ranges that it allows', () => {
    const { chunks } = planWindows(bounds, null, NOW)
    expect(chunks[0]?.from).toBe(THIS_HOUR - 100 * HOUR)
    expect(chunks).toHaveLength(2)
    const kept = { ...bounds, notOlderThanMs: 10 * HOUR }
    expect(planWindows(kept, null, NOW).chunks[0]?.from).toBe(oldestWindow(kept, NOW))
    expect(oldestWindow(kept, NOW)).toBe(THIS_HOUR - 8 * HOUR)
    expect(chunks.every(({ from, to }) => to - from <= bounds.maxDurationMs && from < to)).toBe(true)
    expect(chunks.slice(1).every(({ from }, index) => from === chunks[index]?.to)).toBe(true)
  })
  it('gives up on rows that the provider no longer keeps', () => {
    expect(planWindows(bounds, NOW - 90 * 24 * HOUR, NOW).chunks[0]?.from).toBeGreaterThan(NOW - bounds.notOlderThanMs)
  })
  it('does not call a window complete while late events may still reach it', () => {
    expect(planWindows(bounds, null, THIS_HOUR + 60_000).completeUntil).toBe(THIS_HOUR - HOUR)
  })
  it('refuses bounds narrower than one window', () => {
    expect(() => stepOf({ ...bounds, maxDurationMs: HOUR - 1 })).toThrow('provider_query_refused')
  })
})

describe('readWindows', () => {
  const from = THIS_HOUR - 10 * HOUR
  const all = Array.from({ length: 10 }, (_, index) => from + index * HOUR)
  const range = { from, to: THIS_HOUR, expectedUntil: THIS_HOUR, limit: 4 }
  const source = (answer: (asked: number[], call: number) => number[]) => {
    let calls = 0
    return {
      calls: () => calls,
      rows: {
        windowMs: HOUR,
        beginOf: (row: number) => row,
        ask: async (start: number, end: number, limit: number) => {
          calls += 1
          return answer(all.filter((row) => row >= start && row < end).slice(0, limit), calls)
        },
      },
    }
  }

  it('pages through by order', async () => {
    const { rows, calls } = source((asked) => asked)
    expect(await readWindows(rows, range)).toEqual(all)
    expect(calls()).toBe(3)
  })
  it('asks again for what an empty or a cut page left out', async () => {
    const empty = source((asked, call) => (call === 1 ? [] : asked))
    expect(await readWindows(empty.rows, range)).toEqual(all)
    const half = source((asked, call) => (call === 1 ? asked.slice(0, 2) : asked))
    expect(await readWindows(half.rows, range)).toEqual(all)
  })
  it('takes a silence for one after the second empty page', async () => {
    const { rows, calls } = source(() => [])
    expect(await readWindows(rows, range)).toEqual([])
    expect(calls()).toBe(2)
  })
  it('names a page that comes twice, and rows that come twice in one page', async () => {
    await expect(readWindows(source(() => all.slice(0, 4)).rows, range)).rejects.toThrow('page_repeated')
    await expect(readWindows(source(() => [from, from]).rows, range)).rejects.toThrow('page_repeated')
  })
  it('refuses rows beyond the window or between windows', async () => {
    await expect(readWindows(source(() => [THIS_HOUR]).rows, range)).rejects.toThrow('provider_reply_invalid')
    await expect(readWindows(source(() => [from + 1]).rows, range)).rejects.toThrow('provider_reply_invalid')
  })
})

describe('readBefore', () => {
  const [from, to] = [THIS_HOUR - 10 * HOUR, THIS_HOUR - 4 * HOUR]
  const range = { from, to, knownUntil: THIS_HOUR, limit: 100 }
  /** A site that was visited in these hours; each answer is what a fault makes of the true one. */
  const read = async (visited: readonly number[], faults: readonly ((rows: number[]) => number[])[]) => {
    let calls = 0
    const ask = async (start: number, end: number) => {
      const rows = visited.map((hour) => THIS_HOUR + hour * HOUR).filter((row) => row >= start && row < end)
      calls += 1
      return faults[calls - 1]?.(rows) ?? rows
    }
    const rows = await readBefore({ windowMs: HOUR, beginOf: (row: number) => row, ask }, range)
    return { hours: rows.map((row) => (row - THIS_HOUR) / HOUR), calls }
  }
  const nothing = () => []
  const half = (rows: number[]) => rows.slice(0, Math.ceil(rows.length / 2))

  it('believes an answer that holds windows known already, and gives what is before them alone', async () => {
    expect(await read([-10, -6, -3, -1], [])).toEqual({ hours: [-10, -6], calls: 1 })
    expect(await read([-3], [])).toEqual({ hours: [], calls: 1 })
  })
  it('asks again where an answer ends before them, or is empty', async () => {
    expect(await read([-10, -8, -6, -5, -3], [half])).toEqual({ hours: [-10, -8, -6, -5], calls: 2 })
    expect(await read([-10, -6, -3], [nothing, nothing])).toEqual({ hours: [-10, -6], calls: 3 })
  })
  it('takes a silence that nothing can prove for one after three empty answers', async () => {
    expect(await read([], [])).toEqual({ hours: [], calls: 3 })
    expect(await read([-10], [nothing, nothing])).toEqual({ hours: [-10], calls: 6 })
  })
})

describe('cursorAfter', () => {
  const chunk = { from: THIS_HOUR - 5 * HOUR, to: THIS_HOUR + HOUR }
  const moved = (lastRowEnd: number | undefined, from = chunk.from, to = chunk.to) =>
    cursorAfter({ from, to }, lastRowEnd, THIS_HOUR, HOUR, NOW)

  it('moves behind the last row, and never past a window that may still change', () => {
    expect(moved(THIS_HOUR - HOUR)).toBe(THIS_HOUR - HOUR)
    expect(moved(THIS_HOUR + HOUR)).toBe(THIS_HOUR)
  })
  it('stays where nothing came, since late rows would be lost', () => {
    expect(moved(undefined)).toBeNull()
  })
  it('moves over a silence that is older than two days', () => {
    const from = THIS_HOUR - 200 * HOUR
    expect(moved(undefined, from, from + 72 * HOUR)).toBe(from + 72 * HOUR)
  })
})
