import { join } from 'node:path'
import type { Supervision } from '../supervisor/revival.ts'
import { migrate } from './migrate.ts'
import { type PoolOptions, startPool } from './pool/pool.ts'
import { DATABASE, type LoginRole, MIGRATION_OWNER, SUPERUSER, WORKER_ROLES, type WorkerRole } from './roles.ts'
import { keptPasswords } from './secrets.ts'
import { startServer } from './server.ts'

export type PostgresOptions = {
  /** The stack's data directory: the cluster goes to `postgres/`, passwords to `secrets/`, the log to `logs/` below it. */
  readonly dir: string
  readonly port?: number
  /** Tests may stop before the migrations, or run others. */
  readonly migrationsDir?: string
  readonly supervision?: Supervision
  /** How the pool lends, once there is a schema to ask. */
  readonly lending?: (superuserUrl: string) => Promise<Pick<PoolOptions, 'limits' | 'witness'>>
}

/** A migrated Postgres with a transaction pool in front of it. */
export type EmbeddedPostgres = {
  readonly port: number
  readonly poolPort: number
  readonly superuserUrl: string
  readonly ownerUrl: string
  /** A direct connection, for what keeps a session: the Supabase gateway, tests. */
  readonly urlFor: (role: LoginRole) => string
  /** Through the pool, for Workers: their Hyperdrive opens a connection a request. */
  readonly pooledUrlFor: (role: WorkerRole) => string
  readonly stop: () => Promise<void>
}

export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const passwords = keptPasswords(join(options.dir, 'secrets', 'postgres.json'))
  const server = await startServer({
    folder: join(options.dir, 'postgres'),
    logFile: join(options.dir, 'logs', 'postgres.log'),
    superuserPassword: passwords[SUPERUSER],
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.supervision === undefined ? {} : { supervision: options.supervision }),
  })
  const url = (role: LoginRole, port: number) => `postgres://${role}:${passwords[role]}@127.0.0.1:${port}/${DATABASE}`
  const superuserUrl = url(SUPERUSER, server.port)
  const ownerUrl = url(MIGRATION_OWNER, server.port)
  try {
    await migrate({
      superuserUrl,
      ownerUrl,
      passwords,
      ...(options.migrationsDir === undefined ? {} : { migrationsDir: options.migrationsDir }),
    })
    const credentials = new Map(WORKER_ROLES.map((role) => [role as string, passwords[role]]))
    const lending = await options.lending?.(superuserUrl)
    const pool = await startPool({ upstreamPort: server.port, database: DATABASE, credentials, ...lending })
    return {
      port: server.port,
      poolPort: pool.port,
      superuserUrl,
      ownerUrl,
      urlFor: (role) => url(role, server.port),
      pooledUrlFor: (role) => url(role, pool.port),
      stop: async () => {
        await pool.stop()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}
