import { createHash } from 'node:crypto'
import type { LintName } from '../../../domain/providers/supabase/lints.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
/** The world has two years of history by the autumn of 2026, and goes on from there by its clock. */
const WORLD_BEGINS = Date.UTC(2024, 9, 1)
const MINUTE_MS = 60_000
const MIB = 1024 * 1024

export type WorldProject = {
  readonly ref: string
  readonly name: string
  readonly createdAt: number
  readonly baseBytes: number
  readonly bytesPerDay: number
  readonly connectionLimit: number
  /** Null where pg_stat_statements was taken out. */
  readonly statementsSchema: 'extensions' | null
  readonly status: 'ACTIVE_HEALTHY' | 'INACTIVE'
}
export type Reading = {
  readonly databaseBytes: number
  readonly connections: number
  readonly slowStatements: number
}

export type WorldLint = { readonly lint: LintName; readonly subject: string }
export type WorldStatement = { readonly id: string; readonly calls: number; readonly meanMs: number }

const LINTS: readonly WorldLint[] = [
  { lint: 'rls_disabled_in_public', subject: 'public.newsletter_signups' },
  { lint: 'security_definer_view', subject: 'public.order_totals' },
  { lint: 'function_search_path_mutable', subject: 'public.apply_discount(code text)' },
  { lint: 'anon_security_definer_function_executable', subject: 'public.apply_discount(code text)' },
  { lint: 'duplicate_index', subject: 'public.orders: orders_customer_idx, orders_customer_idx1' },
  { lint: 'unindexed_foreign_keys', subject: 'public.orders: orders_shop_id_fkey' },
  { lint: 'unindexed_foreign_keys', subject: 'public.order_lines: order_lines_product_id_fkey' },
  { lint: 'no_primary_key', subject: 'public.imports_2025' },
]

const DEMO_PROJECTS = [
  { name: 'northwind-bakery', mib: 310, growth: 0.4, connectionLimit: 60, status: 'ACTIVE_HEALTHY' },
  { name: 'harbor-yoga', mib: 42, growth: 0.02, connectionLimit: 60, status: 'INACTIVE' },
  { name: 'atlas-cycles', mib: 2200, growth: 3.1, connectionLimit: 90, status: 'ACTIVE_HEALTHY' },
] as const

/** Every reading is a pure function of seed, project and minute: no order of questions changes what it was. */
export class World {
  readonly projects: readonly WorldProject[]
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
    this.projects = DEMO_PROJECTS.map(({ name, mib, growth, connectionLimit, status }, index) => ({
      name,
      connectionLimit,
      status,
      ref: this.#ref(index),
      createdAt: WORLD_BEGINS - (index + 1) * DAY_MS,
      baseBytes: mib * MIB,
      bytesPerDay: growth * MIB,
      statementsSchema: index === 2 ? null : 'extensions',
    }))
  }

  reading(project: WorldProject, at: number): Reading {
    const minute = Math.floor(at / MINUTE_MS)
    const days = Math.max(0, minute * MINUTE_MS - WORLD_BEGINS) / DAY_MS
    const chance = (subject: string, part: number) => this.#digest(`${project.ref} ${subject}`, part).readUInt16BE(0)
    const jitter = chance('bytes', minute) % 64
    return {
      // Postgres grows by pages of 8 KiB.
      databaseBytes: (Math.floor((project.baseBytes + days * project.bytesPerDay) / 8192) + jitter) * 8192,
      connections: 3 + (chance('connections', minute) % (project.connectionLimit - 10)),
      slowStatements: chance('slow', Math.floor(minute / 60)) % 9,
    }
  }

  /** Lints come and go with the weeks, each by itself. */
  lints(project: WorldProject, at: number): readonly WorldLint[] {
    const week = Math.floor(at / (7 * DAY_MS))
    return LINTS.filter((lint, index) => {
      const from = this.#digest(`${project.ref} lint ${lint.subject}`, 0).readUInt8(0) % 4
      return (week + index + from) % 4 !== 0
    })
  }

  /** The ids of statements, and how slow they are: as many as `reading` counts. */
  slowest(project: WorldProject, at: number): readonly WorldStatement[] {
    return Array.from({ length: this.reading(project, at).slowStatements }, (_, index) => {
      const digest = this.#digest(`${project.ref} statement`, index)
      return {
        id: digest.readBigInt64BE(0).toString(),
        calls: 1 + (digest.readUInt16BE(8) % 900),
        meanMs: 1001 + (digest.readUInt16BE(10) % 7000),
      }
    })
  }

  /** Failed calls of edge functions in the hour that begins at `hour`; null where nobody called any. */
  functionErrors(project: WorldProject, hour: number): number | null {
    const digest = this.#digest(`${project.ref} functions`, hour / HOUR_MS)
    if (digest.readUInt8(0) < 64) return null
    return digest.readUInt8(1) < 160 ? 0 : digest.readUInt8(2) % 12
  }

  /** Twenty letters, as Supabase has them. */
  #ref(index: number): string {
    const bytes = this.#digest('project', index).subarray(0, 20)
    return [...bytes].map((byte) => String.fromCharCode(97 + (byte % 26))).join('')
  }

  #digest(subject: string, at: number): Buffer {
    return createHash('sha256').update(`${this.#seed} ${subject} ${at}`).digest()
  }
}
