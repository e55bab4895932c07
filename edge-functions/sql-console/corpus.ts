import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Escape = {
  readonly name: string
  readonly parser: 'refused' | 'invalid' | 'runs'
  readonly postgres: 'error' | 'own' | 'ended'
  readonly text: string
}
const PATH = join(import.meta.dirname, '../../conformance/corpora/console.sql')
const HEAD = /^-- (\d+ .+) \| (refused|invalid|runs) \| (error|own|ended)$/gm

/** The escapes with the names of the two tenants filled in. */
export function escapes(names: Readonly<Record<string, string>>): Escape[] {
  const source = readFileSync(PATH, 'utf8')
  const heads = [...source.matchAll(HEAD)]
  return heads.map((head, index) => {
    const [line, name = '', parser, postgres] = head
    const text = source.slice(head.index + line.length + 1, heads[index + 1]?.index).trimEnd()
    return {
      name,
      parser: parser as Escape['parser'],
      postgres: postgres as Escape['postgres'],
      text: text
        .replaceAll(/\$\{(\w+)\}/g, (whole, key: string) => names[key] ?? whole)
        .replaceAll(/\\u([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    }
  })
}
