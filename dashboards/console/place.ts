export type Place = {
  readonly line: number
  readonly column: number
  /** The line, in three: up to the place, the word there, and what follows. */
  readonly before: string
  readonly at: string
  readonly after: string
}

/** `position` counts characters from 1, as Postgres does: a character beyond the 16-bit plane is one. */
export function placeIn(statement: string, position: number): Place {
  const characters = Array.from(statement)
  const index = Math.min(position - 1, characters.length)
  const start = characters.lastIndexOf('\n', index - 1) + 1
  const lineEnd = characters.indexOf('\n', index)
  const rest = characters.slice(index, lineEnd < 0 ? undefined : lineEnd).join('')
  const [at = ' '] = /^(?:[\p{L}\p{N}_]+|.)/u.exec(rest) ?? []
  return {
    line: characters.slice(0, index).filter((character) => character === '\n').length + 1,
    column: index - start + 1,
    before: characters.slice(start, index).join(''),
    at,
    after: rest.slice(at.length),
  }
}
