import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { FUNCTIONS } from './functions.ts'
import { QUEUES } from './messages.ts'
import { ROUTES } from './routes.ts'

/**
 * The matrices on the running stack. They fail when, say, `requireAal2` is left out of the audit route, the policy "a user sees the
 * tenants they are a member of" lets all be seen, or a role is granted a table that is not its own.
 */
const Document = z.object({
  ok: z.boolean(),
  cells: z.int(),
  leaks: z.array(z.object({ what: z.string(), who: z.string(), expected: z.string(), actual: z.string() })),
  endpoints: z.int(),
  sql: z.int(),
  messages: z.int(),
})

describe('T1 T4: the matrices', () => {
  test('T1 has a row for every route of the router', () => {
    const source = readFileSync('workers/gateway/index.ts', 'utf8')
    const routes = [...source.matchAll(/\.(all|delete|post)\('([^'*]+)'/g)]
    const patterns = routes.map(
      ([, method, pattern]) => `${method === 'all' ? 'GET' : method?.toUpperCase()} ${pattern}`,
    )
    expect(patterns.length).toBeGreaterThan(10)
    expect(ROUTES.map(({ method = 'GET', pattern }) => `${method} ${pattern}`).sort()).toEqual(patterns.sort())
  })

  test('T1 has a row for every function of the manifest', () => {
    const { functions } = z
      .object({ functions: z.array(z.object({ name: z.string() })) })
      .parse(JSON.parse(readFileSync('edge-functions/functions.json', 'utf8')))
    expect([...new Set(FUNCTIONS.map(({ name }) => name))].sort()).toEqual(functions.map(({ name }) => name).sort())
  })

  test('T4 has messages for every queue that a Worker consumes', () => {
    const files = globSync('{workers/*,durable-objects}/wrangler.toml').map((file) => readFileSync(file, 'utf8'))
    const consumed = files.flatMap((text) =>
      [...text.matchAll(/\[\[queues\.consumers\]\]\s+queue = "([^"]+)"/g)].map(([, queue]) => queue),
    )
    expect(consumed.length).toBeGreaterThan(3)
    expect([...new Set(QUEUES.map(({ queue }) => queue))].sort()).toEqual(consumed.sort())
  })

  test('T1 T4: every visitor gets at every address, and every role in every table, what they should and no more', async () => {
    const document = Document.parse(await play())
    expect(document.leaks.map(inOneLine).join('\n')).toBe('')
    expect(document.ok).toBe(true)
    expect(document.endpoints).toBeGreaterThan(180)
    expect(document.sql).toBeGreaterThan(10_000)
    expect(document.messages).toBeGreaterThan(15)
  })
})

type Leak = z.infer<typeof Document>['leaks'][number]

/** As text: a list of objects is cut short where a failing test is printed. */
function inOneLine({ what, who, expected, actual }: Leak): string {
  return `${what}, by ${who}: expected ${expected}, was ${actual}`
}

async function play(): Promise<unknown> {
  const child = spawn(process.execPath, ['conformance/matrix/matrix.ts', '--json', '--data', inject('dataDir')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((closed) => child.once('close', closed))
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}
