import { describe, expect, it } from 'vitest'
import { MetricName } from '../contracts/api.ts'
import { FOLDS } from './aggregation.fixture.ts'
import { aggregate, fold, METRICS, metricsOf, rollupOf } from './definitions.ts'
import { hoursKeptFrom } from './retention.ts'

describe('metric definitions', () => {
  it('define every metric name of the API contract once', () => {
    expect(Object.keys(METRICS).sort()).toEqual([...MetricName.options].sort())
    for (const [name, definition] of Object.entries(METRICS)) expect(definition.name).toBe(name)
  })

  it('make a day of the hours where the provider gives hours alone, and never where it gives days', () => {
    expect([rollupOf('visits'), rollupOf('database_bytes')]).toEqual(['sum', 'last'])
    expect([rollupOf('requests'), rollupOf('net_revenue')]).toEqual([null, null])
  })

  it('say which metrics a provider has in a grain', () => {
    const hourly = metricsOf('cloudflare', 'hour')
    expect(hourly.slice(0, 5).map(({ name }) => name)).toEqual([
      'requests',
      'visits',
      'bytes',
      'cached_bytes',
      'unique_visitors',
    ])
    expect(metricsOf('cloudflare', 'day')).toEqual(hourly)
    expect(metricsOf('supabase', 'day')).toEqual(metricsOf('supabase', 'hour'))
    expect(metricsOf('stripe', 'hour')).toEqual([])
    expect(metricsOf('stripe', 'day').map(({ name }) => name)).toContain('net_revenue')
  })

  it('take of a state its last reading', () => {
    expect([aggregate('spf_unverified', [2, 2, 0]), aggregate('spf_unverified', [])]).toEqual([0, 0])
  })

  it('add what can be added, and take the mean of visitors, whom two days share', () => {
    expect(aggregate('requests', [1, 2, 3])).toBe(6)
    expect(aggregate('unique_visitors', [10, 20, 31])).toBe(20)
    expect(aggregate('unique_visitors', [])).toBe(0)
  })

  it.each(FOLDS)('%s of %j is %d', (aggregation, values, expected) => {
    expect(fold(aggregation, values)).toBe(expected)
  })

  it('keep hours for 90 whole UTC days', () => {
    expect(hoursKeptFrom(Date.UTC(2026, 10, 27, 23, 59))).toBe(Date.UTC(2026, 7, 29))
    expect(hoursKeptFrom(Date.UTC(2026, 10, 28))).toBe(Date.UTC(2026, 7, 30))
  })
})
