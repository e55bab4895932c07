import type { CredentialGrade } from '../data/schemas.ts'

const GRADES = {
  read_only: { text: 'read only', tone: 'good', title: 'The provider lists read permissions alone for this token.' },
  over_scoped: {
    text: 'over-scoped',
    tone: 'bad',
    title: 'This token may change things. Replace it by a read-only one, where the provider has them.',
  },
  not_proven_read_only: {
    text: 'not proven read-only',
    tone: 'unsure',
    title: 'The provider does not list what this token may do, so nothing proves that it can only read.',
  },
} as const satisfies Record<CredentialGrade, { text: string; tone: string; title: string }>

export function GradeBadge({ grade }: { readonly grade: CredentialGrade }) {
  const { text, tone, title } = GRADES[grade]
  return (
    <span className={`badge badge-${tone}`} title={title}>
      {text}
    </span>
  )
}
