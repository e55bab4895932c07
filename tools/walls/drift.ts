import { join } from 'node:path'
import { EXPECTED_BINDINGS, EXPECTED_FUNCTIONS } from './expected.ts'
import { undeclared } from './hyperdrive.ts'
import { forbiddenWords, readBindings, readFunctions } from './read.ts'

/** What differs between the walls as designed and as configured below `root`; empty when nothing does. */
export function drift(root: string): string[] {
  const bindings = Object.entries(EXPECTED_BINDINGS).flatMap(([file, expected]) => [
    ...difference(file, expected, readBindings(join(root, file))),
    ...undeclared(root, file),
    ...forbiddenWords(join(root, file)).map((word) => `${file}: must not name ${word}`),
  ])
  return [...bindings, ...difference('edge-functions', EXPECTED_FUNCTIONS, readFunctions(root))]
}

function difference(where: string, expected: readonly string[], actual: readonly string[]): string[] {
  return [
    ...actual
      .filter((line) => !expected.includes(line))
      .map((line) => `${where}: has "${line}", which the design does not give it`),
    ...expected.filter((line) => !actual.includes(line)).map((line) => `${where}: lacks "${line}"`),
  ]
}
