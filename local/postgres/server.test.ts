import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkout } from '../supervisor/checkout.ts'
import { SUPERUSER } from './roles.ts'
import { keptPasswords } from './secrets.ts'
import { type PostgresServer, startServer } from './server.ts'

let dir: string
const running: PostgresServer[] = []

beforeEach(() => {
  // A closed parent, as a clone in a fresh temporary folder has.
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-server-'))
  chmodSync(dir, 0o700)
})
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
  rmSync(dir, { recursive: true, force: true })
})

function start(port?: number, onRestart = () => {}): Promise<PostgresServer> {
  const options = {
    supervision: { log: () => {}, onRestart },
    folder: join(dir, 'postgres'),
    logFile: join(dir, 'logs', 'postgres.log'),
    superuserPassword: keptPasswords(join(dir, 'secrets', 'postgres.json'))[SUPERUSER],
  }
  return startServer(port === undefined ? options : { ...options, port }).then((server) => {
    running.push(server)
    return server
  })
}

async function ask<Value>(port: number, act: (sql: postgres.Sql) => Promise<Value>): Promise<Value> {
  const password = keptPasswords(join(dir, 'secrets', 'postgres.json'))[SUPERUSER]
  const sql = postgres({ host: '127.0.0.1', port, user: SUPERUSER, password, database: 'postgres', max: 1 })
  return await act(sql).finally(() => sql.end())
}

test('keeps its data, with fsync on, over a stop and a start', async () => {
  const first = await start()
  await ask(first.port, (sql) => sql`create table kept as select 7 as n`)
  await first.stop()
  const second = await start()
  const [row] = await ask(
    second.port,
    (sql) => sql`select n, current_setting('fsync') as fsync, current_setting('listen_addresses') as address,
    current_setting('unix_socket_directories') as sockets, current_setting('server_encoding') as encoding from kept`,
  )
  expect(row).toEqual({ n: 7, fsync: 'on', address: '127.0.0.1', sockets: '', encoding: 'UTF8' })
})

test('after SIGKILL of the supervisor the next start ends the orphan and loses nothing', async () => {
  const script = `
    import { startServer } from ${JSON.stringify(checkout('local/postgres/server.ts'))}
    const server = await startServer(JSON.parse(process.argv[1]))
    console.log(server.port)
    setInterval(() => {}, 1000)`
  const options = {
    folder: join(dir, 'postgres'),
    logFile: join(dir, 'logs', 'postgres.log'),
    superuserPassword: keptPasswords(join(dir, 'secrets', 'postgres.json'))[SUPERUSER],
  }
  const supervisor = spawn(
    process.execPath,
    ['--input-type=module-typescript', '-e', script, JSON.stringify(options)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const port = Number(await new Promise((printed) => supervisor.stdout.once('data', printed)))
  await ask(port, (sql) => sql`create table kept as select 8 as n`)
  supervisor.kill('SIGKILL')
  await new Promise((gone) => supervisor.once('close', gone))
  expect((await ask(port, (sql) => sql`select n from kept`))[0]).toEqual({ n: 8 })

  const next = await start()
  await expect(ask(port, (sql) => sql`select 1`)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  const [row] = await ask(next.port, (sql) => sql`select n from kept`)
  expect(row).toEqual({ n: 8 })
})

test('a server that is killed comes back by itself, on the same port and with all that it acknowledged', async () => {
  const { promise: back, resolve } = Promise.withResolvers<void>()
  const { port } = await start(undefined, resolve)
  await ask(port, (sql) => sql`create table kept as select 9 as n`)
  process.kill(Number(readFileSync(join(dir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL')
  await back
  expect((await ask(port, (sql) => sql`select n from kept`))[0]).toEqual({ n: 9 })
})

test('a stale pid file that names another process’s id harms nobody', async () => {
  const first = await start()
  await first.stop()
  const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  writeFileSync(join(dir, 'postgres', 'data', 'postmaster.pid'), `${bystander.pid}\n${join(dir, 'postgres', 'data')}\n`)
  const second = await start()
  expect((await ask(second.port, (sql) => sql`select 1 as n`))[0]).toEqual({ n: 1 })
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull()
  bystander.kill()
})

test('an interrupted first boot is begun anew', async () => {
  mkdirSync(join(dir, 'postgres', 'data.new', 'base'), { recursive: true })
  const server = await start()
  expect((await ask(server.port, (sql) => sql`select 1 as n`))[0]).toEqual({ n: 1 })
})

test('a port that is taken is named in the error', async () => {
  const other = createServer()
  const port = await new Promise<number>((listening) =>
    other.listen(0, '127.0.0.1', () => {
      const address = other.address()
      listening(address !== null && typeof address === 'object' ? address.port : 0)
    }),
  )
  await expect(start(port)).rejects.toThrow(/could not bind|Address already in use/)
  await new Promise((closed) => other.close(closed))
})

test('T2: passwords are random, and only their owner reads the file', async () => {
  const passwords = keptPasswords(join(dir, 'secrets', 'postgres.json'))
  expect(new Set(Object.values(passwords)).size).toBe(Object.keys(passwords).length)
  expect(statSync(join(dir, 'secrets', 'postgres.json')).mode & 0o777).toBe(0o600)
  expect(keptPasswords(join(dir, 'secrets', 'postgres.json'))).toEqual(passwords)
})
