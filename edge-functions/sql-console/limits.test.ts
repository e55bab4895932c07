import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_RESULT_BYTES } from '../../domain/contracts/console.ts'
import { type ConsoleStand, startConsoleStand } from '../../local/stands/console-stand.ts'
import { readEnvironment } from '../_shared/environment.ts'
import { consoleLogin } from './login.ts'
import { runStatement } from './run.ts'

let stand: ConsoleStand
beforeAll(async () => {
  stand = await startConsoleStand(consoleLogin)
})
afterAll(() => stand?.stop())

const BOMB = 'select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b'
const ending = (signal = new AbortController().signal) => ({ signal, watchdog: stand.endSessions })
const sessions = async (login: string) =>
  (await stand.sql`select from pg_stat_activity where usename = ${login}`).length

describe('T4: what one tenant may hold', () => {
  test('is two connections: a third statement is told so at once, others’ are answered, and both ends free them', async () => {
    const gone = new AbortController()
    const bombs = [1, 2].map(() => runStatement(stand.target, BOMB, ending(gone.signal)))
    await expect.poll(() => sessions(stand.target.login), { interval: 20, timeout: 5000 }).toBe(2)
    await expect(runStatement(stand.target, 'select 1', ending())).rejects.toMatchObject({ code: 'console_busy' })
    const neighbour = await stand.open('N'.repeat(42).concat('A'), stand.other)
    expect(await runStatement(neighbour, 'select 1', ending())).toMatchObject({ state: 'answered', rows: [['1']] })
    expect(await sessions(stand.target.login)).toBe(2)
    gone.abort()
    for (const bomb of await Promise.all(bombs)) expect(bomb).toMatchObject({ code: 'statement_cancelled' })
    await expect.poll(() => sessions(stand.target.login), { interval: 20, timeout: 3000 }).toBe(0)
    expect(await runStatement(stand.target, 'select 1', ending())).toMatchObject({ state: 'answered' })
  })

  test('is 5 MB of an answer, and that there was more is said', async () => {
    const answer = await runStatement(stand.target, "select repeat('x', 1000) from generate_series(1, 9000)", ending())
    if (answer.state !== 'answered') throw new Error(answer.code)
    expect(answer.truncated).toBe(true)
    const size = JSON.stringify(answer.rows).length
    expect(size).toBeLessThanOrEqual(MAX_RESULT_BYTES)
    expect(size).toBeGreaterThan(MAX_RESULT_BYTES - 5000)
  })

  test('is not one row that is larger than that', async () => {
    const row = await runStatement(stand.target, "select repeat('x', 30000000)", ending())
    expect(row).toMatchObject({ state: 'failed', code: 'result_too_large' })
    await expect.poll(() => sessions(stand.target.login), { interval: 20, timeout: 3000 }).toBe(0)
  })
})

describe('TLS to the console’s Postgres', () => {
  const read = (url: string) => readEnvironment(() => url, ['CONSOLE_DATABASE_URL'])

  test.each([
    'postgres://db.example.com:5432/postgres',
    'postgres://db.example.com:5432/postgres?sslmode=require',
    'postgres://db.example.com:5432/postgres?sslmode=disable',
    'postgres://127.0.0.1:5432/postgres?sslmode=prefer',
    'postgres://someone@127.0.0.1:5432/postgres',
  ])('%s is no setting to start with', (url) => {
    expect(() => read(url)).toThrow('environment: CONSOLE_DATABASE_URL missing or malformed')
  })

  test.each(['postgres://db.example.com:5432/postgres?sslmode=verify-full', 'postgres://127.0.0.1:5432/postgres'])(
    '%s is one',
    (url) => expect(read(url).CONSOLE_DATABASE_URL).toBe(url),
  )

  test('a server that declines it, or is nobody that is vouched for, hears no login', async () => {
    const { port, heard, stop } = await impostor()
    try {
      const url = `postgres://127.0.0.1:${port}/postgres?sslmode=verify-full`
      const target = { ...stand.target, url, statementId: randomUUID() }
      await expect(runStatement(target, 'select 1', ending())).rejects.toMatchObject({ code: 'console_unreachable' })
      expect(Buffer.from(heard(), 'latin1').subarray(0, 8)).toEqual(OFFER_OF_TLS)
      expect(heard()).not.toContain(target.login)
    } finally {
      await stop()
    }
  })
})

const OFFER_OF_TLS = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Answers an offer of TLS with no, as a man in the middle would. */
async function impostor() {
  let bytes = ''
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const isFirst = bytes === ''
      bytes += chunk.toString('latin1')
      if (isFirst) socket.write('N')
      else socket.end('SCRAM, please')
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the impostor has no port')
  return {
    port: address.port,
    heard: () => bytes,
    stop: () => new Promise<void>((closed) => server.close(() => closed())),
  }
}
