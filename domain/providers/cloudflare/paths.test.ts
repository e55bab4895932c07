import { describe, expect, it } from 'vitest'
import { MAX_KEPT_SHARES, topOf } from '../../metrics/tops.ts'
import { keepablePaths } from './paths.ts'

const share = (key: string, value: number, sampling = 1) => ({ key, value, sampling })

describe('the paths that are kept', () => {
  it('V5: name nothing that was seen fewer than ten times, in a sample either', () => {
    const seen = [share('/', 40), share('/reset/Zx81', 9), share('/shop', 10), share('/reset/Qy02', 90, 10)]
    expect(keepablePaths(seen).map(({ key }) => key)).toEqual(['/', '/shop'])
  })
  it('V5: have no query and no fragment, should one ever come', () => {
    const kept = keepablePaths([share('/login?token=secret', 12), share('/login#x', 3), share('/login', 5)])
    expect(kept).toEqual([share('/login', 20)])
  })
  it('are cut at 200 characters, counted as Postgres counts them, and hold no control characters', () => {
    const [long, bent] = keepablePaths([share(`/${'🙂'.repeat(300)}`, 12), share('/a\u0000b\u202e', 11)])
    expect([...(long?.key ?? '')]).toHaveLength(200)
    expect(bent?.key).toBe('/a\uFFFDb\uFFFD')
    expect(keepablePaths([share('', 12)])[0]?.key).toBe('/')
  })
})

describe('the largest shares', () => {
  it('and the rest are the whole', () => {
    const shares = Array.from({ length: 40 }, (_, index) => share(`/${index}`, index))
    const { shares: kept, rest } = topOf(shares, 1000)
    expect(kept).toHaveLength(MAX_KEPT_SHARES)
    expect(kept[0]).toEqual(share('/39', 39))
    expect(kept.reduce((sum, { value }) => sum + value, 0) + rest).toBe(1000)
  })
  it('leave no less than nothing where estimates add up to more than the whole', () => {
    expect(topOf([share('DE', 60), share('AT', 50), share('XX', 0)], 100)).toEqual({
      shares: [share('DE', 60), share('AT', 50)],
      rest: 0,
    })
  })
})
