import { describe, expect, it } from 'vitest'
import { MetricName } from '../contracts/api.ts'
import { aggregate, METRICS, metricsOf } from './definitions.ts'

describe('metric definitions', () => {
  it('define every metric name of the API contract once', () => {
    expect(Object.keys(METRICS).sort()).toEqual([...MetricName.options].sort())
    for (const [name, definition] of Object.entries(METRICS)) expect(definition.name).toBe(name)
  })

  it('say which metrics a provider has in a grain', () => {
    const hourly = metricsOf('cloudflare', 'hour').map(({ name }) => name)
    expect(hourly.slice(0, 5)).toEqual(['requests', 'visits', 'bytes', 'cached_bytes', 'unique_visitors'])
    expect(metricsOf('cloudflare', 'day').map(({ name }) => name)).toEqual(hourly.filter((name) => name !== 'visits'))
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
})
