import { describe, expect, test } from 'vitest'
import { keepAlive, type Life } from './revival.ts'

/** A part whose runs the test ends by hand. */
function part() {
  const runs: { end: () => void; isStopped: boolean }[] = []
  const events: string[] = []
  let refusals = 0
  let wake = () => {}
  const start = async (): Promise<Life> => {
    if (refusals > 0) {
      refusals -= 1
      throw new Error('not yet')
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const run = { end: resolve, isStopped: false }
    runs.push(run)
    return {
      ended: promise,
      stop: async () => {
        run.isStopped = true
        resolve()
      },
    }
  }
  const supervision = {
    log: (line: string) => void events.push(line),
    onRestart: () => wake(),
  }
  return {
    runs,
    events,
    start,
    supervision,
    refuse: (times: number) => {
      refusals = times
    },
    restarted: () =>
      new Promise<void>((done) => {
        wake = done
      }),
  }
}

describe('a part that ends by itself', () => {
  test('is started again, as often as it ends', async () => {
    const { runs, start, supervision, restarted } = part()
    const stop = await keepAlive('part', start, supervision)
    for (const expected of [2, 3]) {
      const back = restarted()
      runs.at(-1)?.end()
      await back
      expect(runs).toHaveLength(expected)
    }
    await stop()
    expect(runs.at(-1)?.isStopped).toBe(true)
  })

  test('is tried until it starts, and each failure is told', async () => {
    const { runs, events, start, supervision, refuse, restarted } = part()
    const stop = await keepAlive('part', start, supervision)
    refuse(2)
    const back = restarted()
    runs[0]?.end()
    await back
    expect(events.filter((line) => line.includes('not yet'))).toHaveLength(2)
    await stop()
  })

  test('stays down once it was stopped, also in the middle of a restart', async () => {
    const { runs, start, supervision } = part()
    const stop = await keepAlive('part', start, supervision)
    runs[0]?.end()
    await Promise.resolve()
    await stop()
    expect(runs).toHaveLength(1)
  })

  test('that cannot start at first is its caller’s to hear of', async () => {
    const { start, supervision, refuse } = part()
    refuse(1)
    await expect(keepAlive('part', start, supervision)).rejects.toThrow('not yet')
  })
})
