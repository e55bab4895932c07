/** The ids that `docs/commitments.md` gives: a letter and a number. */
export const COMMITMENT_ID = /^[A-Z][1-9]\d?$/
const ID = '[A-Z][1-9]\\d?'
const IDS = `${ID}(?:(?:, ?| and | )${ID}\\b)*`
/** `V3: ...`, `V1 L1 ...`, `V6, T2: ...`: first in the title. */
const LEADING = new RegExp(`^(${IDS})(?=[: ]|$)`)
/** `... and under no other (V3)`: in brackets of their own. */
const BRACKETED = new RegExp(`\\((${IDS})\\)`, 'g')

/** The commitments that a test says it proves: those that its own title or a `describe` around it names. */
export function commitmentsOf(titles: readonly string[]): string[] {
  return [...new Set(titles.flatMap(idsIn))].sort()
}

function idsIn(title: string): string[] {
  const named = [...[...title.matchAll(BRACKETED)].map(([, ids]) => ids), LEADING.exec(title)?.[1]]
  return named.flatMap((ids) => ids?.match(new RegExp(`\\b${ID}\\b`, 'g')) ?? [])
}
