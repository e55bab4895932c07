import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { codeOf, foundAgency } from './agency.ts'
import { runningStack } from './running.ts'
import { until } from './stack.ts'

const run = runningStack()

function linesOf(log: string): string[] {
  return readFileSync(join(inject('dataDir'), 'logs', `${log}.log`), 'utf8').split('\n')
}

describe('the logs', () => {
  test('one request of a function is found under its id in the log of the vault too', async () => {
    const agency = await foundAgency(run)
    const refused = await agency.owner.call('credential-store', { not: 'a credential' })
    expect(codeOf(refused)).toBe('request_invalid')

    const answered = () => linesOf('edge-functions').filter((line) => line.includes('"answered"'))
    await until(async () => answered().length > 0, 'the function has logged its answer')
    const [, requestId] = /"request_id":"([0-9a-f-]{36})"/.exec(answered().at(-1) ?? '') ?? []
    expect(requestId).toBeDefined()
    await until(
      async () => linesOf('workers').some((line) => line.includes('"vault"') && line.includes(`${requestId}`)),
      'the vault has logged the same request',
    )
  })
})
