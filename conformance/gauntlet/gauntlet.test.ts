import { expect, test } from 'vitest'
import { start } from '../command.ts'

/** Its play is shown after the walk, on what that left; `npm run gauntlet -- --scale full` is the same at many more places, over thousands of rows. */
test('a flag that does not exist is a usage error, as one JSON document', async () => {
  const { status, stdout } = await start(['tools/launch.mjs', 'conformance/gauntlet/gauntlet.ts', '--json', '--fast'])
    .finished
  expect([status, JSON.parse(stdout)]).toMatchObject([2, { ok: false, error: { code: 'usage' } }])
})
