import type { Provider } from '../../domain/contracts/providers.ts'
import { FINDINGS, type FindingDefinition, type FindingKind, type FindingLevel } from '../../domain/findings/kinds.ts'
import type { FindingLine, z } from '../data/schemas.ts'

export type Finding = z.infer<typeof FindingLine>
/** All that has one fault, which is explained once. */
export type Group = FindingDefinition & { readonly kind: FindingKind; readonly findings: readonly Finding[] }

const LEVELS = ['error', 'warning', 'info'] as const satisfies readonly FindingLevel[]
const NOUNS: { readonly [Level in FindingLevel]: readonly [one: string, several: string] } = {
  error: ['error', 'errors'],
  warning: ['warning', 'warnings'],
  info: ['note', 'notes'],
}

/** Whether anything is looked for there at all. */
export function isInspected(provider: Provider): boolean {
  return Object.values(FINDINGS).some((kind) => kind.provider === provider)
}

/** The gravest first, and as they came within a level. */
export function groupsOf(findings: readonly Finding[]): readonly Group[] {
  const kinds = [...new Set(findings.map(({ kind }) => kind))]
  return kinds
    .map((kind) => ({ ...FINDINGS[kind], kind, findings: findings.filter((finding) => finding.kind === kind) }))
    .sort((one, other) => LEVELS.indexOf(one.level) - LEVELS.indexOf(other.level))
}

/** `2 errors, 1 warning`; a level without any is left out. */
export function countsText(findings: readonly Finding[]): string {
  return LEVELS.map((level) => ({ level, count: findings.filter((finding) => finding.level === level).length }))
    .filter(({ count }) => count > 0)
    .map(({ level, count }) => `${count} ${NOUNS[level][count === 1 ? 0 : 1]}`)
    .join(', ')
}

export function levelNoun(level: FindingLevel): string {
  return NOUNS[level][0]
}
