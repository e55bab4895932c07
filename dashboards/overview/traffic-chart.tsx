'use client'

import { Area, CartesianGrid, ComposedChart, Line, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts'
import { METRICS, type MetricName } from '../../domain/metrics/definitions.ts'
import { deltaOf, deltaText } from '../view/delta.ts'
import {
  formatCompact,
  formatDay,
  formatDayTime,
  formatFullDay,
  formatMonth,
  formatTime,
  formatValue,
  type Measure,
  zoneLabel,
} from '../view/format.ts'
import { correctionText } from '../view/provenance.ts'
import type { Range, Window } from '../view/ranges.ts'
import { type ChartRow, ticksOf } from '../view/series.ts'
import { ChartTable } from './chart-table.tsx'

type TrafficChartProps = {
  readonly title: string
  readonly charted: MetricName
  readonly currency: string | null
  readonly window: Window
  readonly rows: readonly ChartRow[]
  readonly range: Range
  readonly timeZone: string
  readonly compare: boolean
}

const WANTED_TICKS = 7
const HEIGHT = 200
const AXIS_WIDTH = 44

export default function TrafficChart(props: TrafficChartProps) {
  const { title, charted, currency, window, rows, range, compare } = props
  const { label, unit } = METRICS[charted]
  const measure = { unit, currency }
  const zone = zoneLabel(props.timeZone)
  // A day is told as the UTC midnight of its date; showing that in another zone would move it.
  const timeZone = window.grain === 'day' ? 'UTC' : props.timeZone
  const hasPartial = rows.some(({ partial }) => partial)
  const hasPrevious = compare && rows.some(({ previous }) => previous !== null)
  return (
    <figure className="chart">
      <figcaption className="chart-caption">
        <span>
          {label} per {window.grain}, {currency === null ? '' : `${currency}, `}
          {zone}
        </span>
        <span className="legend">
          <span className="key key-now">now</span>
          {hasPartial && <span className="key key-partial">unfinished</span>}
          {hasPrevious && <span className="key key-before">previous {range.noun}</span>}
        </span>
      </figcaption>
      <div className="chart-box">
        <ResponsiveContainer width="100%" height={HEIGHT}>
          <ComposedChart
            data={[...rows]}
            margin={{ top: 8, right: 8, bottom: 0, left: 0 }}
            title={`${label} of ${title} per ${window.grain}`}
          >
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="at"
              type="number"
              scale="time"
              domain={[window.from, window.to - 1]}
              ticks={ticksOf(window, WANTED_TICKS)}
              tickFormatter={(at: number) =>
                tickText(at, window.grain === 'day' && range.name === '24h' ? '7d' : range.name, timeZone)
              }
              stroke="var(--line-strong)"
              tick={TICK}
              tickLine={false}
              minTickGap={12}
            />
            <YAxis
              width={AXIS_WIDTH}
              tickFormatter={(value: number) => formatCompact(value, measure)}
              tick={TICK}
              axisLine={false}
              tickLine={false}
              tickCount={4}
            />
            <Tooltip
              isAnimationActive={false}
              cursor={{ stroke: 'var(--line-strong)' }}
              content={({ active, payload }) => {
                const row = rows.find(({ at }) => at === payload[0]?.payload?.at)
                return active && row !== undefined ? (
                  <Reading
                    row={row}
                    label={label}
                    measure={measure}
                    zone={zone}
                    grain={window.grain}
                    range={range}
                    timeZone={timeZone}
                    compare={compare}
                  />
                ) : null
              }}
            />
            {hasPrevious && <Line dataKey="previous" stroke="var(--chart-before)" strokeDasharray="1 3" {...PLAIN} />}
            <Area dataKey="finished" stroke="var(--chart)" fill="var(--chart)" fillOpacity={0.1} {...PLAIN} />
            <Line dataKey="unfinished" stroke="var(--chart)" strokeDasharray="4 3" {...PLAIN} dot={UnfinishedDot} />
          </ComposedChart>
        </ResponsiveContainer>
      </div>
      <ChartTable
        title={title}
        label={label}
        measure={measure}
        zone={zone}
        window={window}
        rows={rows}
        timeZone={timeZone}
      />
    </figure>
  )
}

const TICK = { fill: 'var(--ink-soft)', fontSize: 11 }
const PLAIN = { type: 'linear', strokeWidth: 1.5, dot: false, isAnimationActive: false, connectNulls: false } as const

/** Only the unfinished points get a ring; the neighbour that the dashed line starts from is finished. */
function UnfinishedDot({ cx, cy, payload, index }: { cx?: number; cy?: number; payload?: ChartRow; index?: number }) {
  if (payload?.partial !== true || cx === undefined || cy === undefined) return <g key={index} />
  return <circle key={index} cx={cx} cy={cy} r={3} fill="var(--surface)" stroke="var(--chart)" strokeWidth={1.5} />
}

function tickText(at: number, range: Range['name'], timeZone: string): string {
  switch (range) {
    case '24h':
      return formatTime(at, timeZone)
    case '12m':
      return formatMonth(at, timeZone)
    case '7d':
    case '30d':
      return formatDay(at, timeZone)
  }
}

type ReadingProps = {
  readonly row: ChartRow
  readonly label: string
  readonly measure: Measure
  readonly zone: string
  readonly grain: Window['grain']
  readonly range: Range
  readonly timeZone: string
  readonly compare: boolean
}

function Reading({ row, label, measure, zone, grain, range, timeZone, compare }: ReadingProps) {
  const { at, value, partial, previous, corrected } = row
  const comparable = value !== null && previous !== null && !partial
  return (
    <div className="reading">
      <div className="fine">
        {grain === 'hour' ? formatDayTime(at, timeZone) : formatFullDay(at, timeZone)} {zone}
      </div>
      <div>
        <strong className="number">{value === null ? 'no data' : formatValue(value, measure)}</strong>
        {value !== null && ` ${label.toLowerCase()}`}
        {partial && ' so far'}
      </div>
      {corrected !== null && <div className="fine">{correctionText(corrected, measure, timeZone)}</div>}
      {compare && previous !== null && (
        <div className="fine">
          <span className="number">{formatValue(previous, measure)}</span> in the previous period
          {comparable && `, ${deltaText(deltaOf(value, previous), range.noun).short}`}
        </div>
      )}
    </div>
  )
}
