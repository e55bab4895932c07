import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import type { Answer } from '../loopback-server.ts'

const DATABASE = 'simulated_project'
const LOGIN = 'simulated_read_only_user'
/** As long as Supabase's own default for statements of its API. */
const STATEMENT_TIMEOUT = '60s'

/** A few rows, so that a statement has something to read. */
const CONTENT = `
  create table public.customers (id int primary key, name text not null, joined_at timestamptz not null, vip boolean not null);
  insert into public.customers
    select n, 'Customer ' || n, timestamptz '2026-01-01' + n * interval '1 hour', n % 7 = 0 from generate_series(1, 200) as n;
  create table public.orders (id bigint primary key, customer_id int not null references public.customers, cents bigint not null);
  insert into public.orders select 9007199254740993 + n, 1 + n % 200, 995 + n * 10 from generate_series(0, 999) as n;
  grant usage on schema public to ${LOGIN};
  grant select on all tables in schema public to ${LOGIN};
`

/** A database of its own in a server that runs anyway, with a login that reads this one and owns nothing. Its URL for that login. */
export async function prepareClientDatabase(superuserUrl: string): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const server = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  try {
    const [known] = await server`select from pg_catalog.pg_roles where rolname = ${LOGIN}`
    const verb = known === undefined ? 'create' : 'alter'
    await server.unsafe(
      `${verb} role ${LOGIN} with login nosuperuser nobypassrls connection limit 10 password '${password}'`,
    )
    await server.unsafe(`alter role ${LOGIN} set statement_timeout = '${STATEMENT_TIMEOUT}'`)
    const [made] = await server`select from pg_catalog.pg_database where datname = ${DATABASE}`
    if (made === undefined) await makeDatabase(server, superuserUrl)
  } finally {
    await server.end()
  }
  const url = urlOf(superuserUrl)
  url.username = LOGIN
  url.password = password
  return url.href
}

async function makeDatabase(server: postgres.Sql, superuserUrl: string): Promise<void> {
  await server.unsafe(`create database ${DATABASE} template template0`)
  const own = postgres(urlOf(superuserUrl).href, { max: 1, onnotice: () => {} })
  try {
    await own.begin((sql) => sql.unsafe(CONTENT))
  } finally {
    await own.end()
  }
}

function urlOf(superuserUrl: string): URL {
  const url = new URL(superuserUrl)
  url.pathname = `/${DATABASE}`
  return url
}

/** Runs what the API is asked as the API does: any text, in a transaction that reads, by the simple protocol. */
export async function runInDatabase(url: string, query: string): Promise<Answer> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    // Not postgres.js's own `begin`, which rolls back on a lost connection too, outside of every promise.
    await sql.unsafe('begin read only')
    const rows = await sql.unsafe(query)
    return { status: 201, body: [...rows] }
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error
    return { status: 400, body: { message: `Failed to run sql query: ${formatted(query, error)}` } }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** As psql and Supabase write it: the line, and a caret below the place. */
function formatted(query: string, { code, message, position }: postgres.PostgresError): string {
  const said = `ERROR:  ${code}: ${message}\n`
  if (position === undefined) return said
  const before = [...query]
    .slice(0, Number(position) - 1)
    .join('')
    .split('\n')
  const label = `LINE ${before.length}: `
  const line = query.split('\n')[before.length - 1] ?? ''
  return `${said}${label}${line}\n${' '.repeat(label.length + (before.at(-1) ?? '').length)}^\n`
}
