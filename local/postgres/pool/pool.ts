import { createServer, type Server, type Socket } from 'node:net'
import { ClientSession, type PoolDirectory } from './client-session.ts'
import { RolePool, type RolePoolLimits } from './role-pool.ts'
import type { Witness } from './server-connection.ts'

/**
 * A transaction-mode pool, as Hyperdrive is one in production: locally every request of a Worker opens a connection, and a Postgres
 * login takes about 20 ms. Clients log in here with the same passwords; sessions with Postgres are kept and lent by transaction.
 */
export type PoolOptions = {
  readonly upstreamPort: number
  readonly database: string
  readonly credentials: ReadonlyMap<string, string>
  readonly limits?: Partial<RolePoolLimits>
  /** Sessions are then lent on as they were left. For stands, where nothing may rely on being cleaned up after. */
  readonly witness?: Witness
}

export type Pool = { readonly port: number; readonly stop: () => Promise<void> }

const DEFAULT_LIMITS: RolePoolLimits = { maxConnections: 8, maxWaiting: 512, waitTimeoutMs: 15_000 }
const MAX_CLIENTS = 1024

export async function startPool(options: PoolOptions): Promise<Pool> {
  const upstream = { port: options.upstreamPort, database: options.database }
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const pools = new Map(
    [...options.credentials].map(([role, password]) => [
      role,
      new RolePool({ role, password, upstream, limits, witness: options.witness }),
    ]),
  )
  const sessions = new Map<string, ClientSession>()
  const directory: PoolDirectory = {
    passwordOf: (role) => options.credentials.get(role),
    poolOf: (role) => pools.get(role),
    register: (key, session) => sessions.set(key, session),
    forget: (key) => sessions.delete(key),
    cancel: (key) => sessions.get(key)?.cancel(),
  }
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    new ClientSession(socket, directory)
  })
  server.maxConnections = MAX_CLIENTS
  const port = await listen(server)
  return {
    port,
    stop: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()))
      for (const socket of sockets) socket.destroy()
      await Promise.all([...pools.values()].map((pool) => pool.stop()))
      await closed
    },
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((listening, failed) => {
    server.once('error', failed)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') failed(new Error('the pool has no port'))
      else listening(address.port)
    })
  })
}
