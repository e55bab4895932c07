import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { BUDGET_DAYS, RUN_OBJECTIVE } from '../../domain/contracts/runs.ts'
import { REASON_WORDS, STATE_WORDS } from '../../domain/runs/words.ts'

// Not beside the words: the domain's tests run in workerd as well, which has no files.
test('docs/run-states.md says what is said everywhere else', () => {
  const text = readFileSync(new URL('../../docs/run-states.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `([a-z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, word, meaning, next]) => [
    word,
    { meaning, next },
  ])
  const words = [...Object.entries(STATE_WORDS), ...Object.entries(REASON_WORDS)]
  expect(rows).toEqual(words.map(([word, { meaning, next }]) => [word, { meaning, next }]))
  expect(text).toContain(`${RUN_OBJECTIVE * 100} %`)
  expect(text).toContain(`${BUDGET_DAYS} UTC days`)
})
