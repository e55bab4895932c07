import { expect, it } from 'vitest'
import { countsText, type Finding, groupsOf, isInspected } from './groups.ts'

const AT = '2026-11-24T10:00:00.000Z'
const finding = (kind: Finding['kind'], level: Finding['level'], subject: string): Finding => ({
  ...{ kind, level, subject, detail: null, first_seen: AT, last_seen: AT, resolved_at: null },
})
const findings = [
  finding('no_primary_key', 'info', 'public.a'),
  finding('duplicate_index', 'warning', 'public.b'),
  finding('no_primary_key', 'info', 'public.c'),
  finding('security_definer_view', 'error', 'public.d'),
]

it('findings of one kind stand together, the gravest kind first', () => {
  expect(groupsOf(findings).map(({ kind, findings: own }) => [kind, own.length])).toEqual([
    ['security_definer_view', 1],
    ['duplicate_index', 1],
    ['no_primary_key', 2],
  ])
})

it('findings are counted by level, without those that there are none of', () => {
  expect(countsText(findings)).toBe('1 error, 1 warning, 2 notes')
  expect(countsText(findings.slice(0, 1))).toBe('1 note')
  expect([isInspected('supabase'), isInspected('stripe')]).toEqual([true, false])
})
