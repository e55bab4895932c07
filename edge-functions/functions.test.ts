import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { JUDGED_ACTS, type JudgedAct, ROLES_OF_ACT, Role } from '../domain/contracts/roles.ts'
import { StepUpAction } from '../domain/contracts/step-up.ts'
import { PROVIDERS } from '../domain/providers/registry.ts'

const FOLDER = import.meta.dirname
const Aal = z.enum(['aal1', 'aal2', 'aal2_fresh'])
const List = z.strictObject({
  functions: z.array(
    z.strictObject({
      name: z.string(),
      /** Why it may not be done with what a Worker has. */
      why: z.string().min(20),
      /** By act, where they differ. */
      aal: z.union([
        Aal.transform((level) => [level]),
        z.record(z.string(), Aal).transform(Object.values<z.infer<typeof Aal>>),
      ]),
      /** Null where the act itself makes or names the membership. */
      roles: z.array(Role).nullable(),
      /** More than one where a function does acts of one kind, each with a token of its own. */
      step_up: z.union([StepUpAction.transform((act) => [act]), z.array(StepUpAction).min(1)]).nullable(),
      audit: z.array(z.string()).min(1),
      secrets: z.array(z.string()),
      env: z.array(z.string()),
      net: z.array(z.string()),
      permissions: z.record(z.string(), z.union([z.boolean(), z.array(z.string())])),
      vault: z.array(z.string()),
      privileged: z.array(z.string()),
    }),
  ),
})
const { functions } = List.parse(JSON.parse(readFileSync(join(FOLDER, 'functions.json'), 'utf8')))

describe('D2: the privileged work is the enumerated list, and what each function may reach is written down', () => {
  test('each folder is on the list and each line has a folder', () => {
    const folders = readdirSync(FOLDER, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
      .map(({ name }) => name)
    expect(functions.map(({ name }) => name).sort()).toEqual(folders.sort())
  })

  test.each(functions)('$name reads, asks and calls what its line says', ({ name, env, net, vault, privileged }) => {
    const source = readFileSync(join(FOLDER, name, 'index.ts'), 'utf8')
    expect(namesIn(source, /readEnvironment\(Deno\.env\.get, \[([^\]]*)\]/)).toEqual(env)
    expect(namesIn(source, /createVault\(environment, \[([^\]]*)\]/)).toEqual(vault)
    expect(namesIn(source, /createStore\(environment, \[([^\]]*)\]/)).toEqual(privileged)
    expect(env).toEqual(expect.arrayContaining(net))
  })

  test.each(functions)(
    '$name is for the roles, and leaves the rows, that the one table says',
    ({ name, aal, roles, step_up, audit, vault }) => {
      const code = sourceOf(name)
      expect(code.includes('requireFresh')).toBe(aal.includes('aal2_fresh'))
      expect(code.includes('STEP_UP_HEADER')).toBe(step_up !== null)
      const acts: readonly JudgedAct[] = step_up ?? JUDGED_ACTS.filter((act) => act === audit[0])
      expect(audit).toEqual(expect.arrayContaining([...acts]))
      if (acts.length === 0) expect(roles).toBeNull()
      for (const act of acts) {
        expect(roles).toEqual(ROLES_OF_ACT[act])
        // An operation that is for one act alone has that act's name.
        const isNamed = vault.includes(act.replaceAll(/[._]/g, '-')) || code.includes(`'${act}'`)
        expect(isNamed || step_up === null).toBe(true)
      }
    },
  )

  test.each(functions)('$name has no secret, address, operation or function that its code does not use', (line) => {
    const code = sourceOf(line.name)
    expect(line.secrets).toEqual(line.env.filter((variable) => SECRET_VARIABLES.has(variable)))
    for (const name of [...line.vault, ...line.privileged]) expect(code, name).toContain(`('${name}'`)
    const asked = Object.values(PROVIDERS).map(({ apiUrlVariable }) => apiUrlVariable)
    expect(asked.some((variable) => line.env.includes(variable))).toBe(code.includes('createAsk'))
    // Whoever takes keys takes those of every provider.
    if (code.includes('PROVIDERS[')) expect(line.env).toEqual(expect.arrayContaining(asked))
    expect(line.env.includes('SUPABASE_URL')).toBe(line.privileged.length > 0)
  })

  test.each(functions)(
    '$name may read no file but its parser, write none and start nothing',
    ({ name, permissions }) => {
      const read = name === 'sql-console' ? ['node_modules/libpg-query/wasm/libpg-query.wasm'] : false
      expect(permissions).toEqual({ read, write: false, run: false, ffi: false, sys: false, import: false })
    },
  )

  test('only index.ts reads the environment, and only shared code and the console talk to Postgres', () => {
    for (const path of sources()) {
      const text = readFileSync(path, 'utf8')
      if (!path.endsWith('index.ts')) expect(text, path).not.toMatch(/Deno\.env/)
      if (!/_shared\/(store|auth-admin)\.ts$/.test(path)) expect(text, path).not.toMatch(/supabase-js|\.rpc\(|\.from\(/)
      if (!path.endsWith('sql-console/run.ts')) expect(text, path).not.toMatch(/from 'postgres'/)
    }
  })
})

/** A function's own files and the shared ones that it imports, without the clients whose calls are its own. */
function sourceOf(name: string): string {
  const seen = new Set<string>()
  const queue = readdirSync(join(FOLDER, name))
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => join(FOLDER, name, file))
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path) || CLIENTS.test(path)) continue
    seen.add(path)
    for (const [, shared = ''] of readFileSync(path, 'utf8').matchAll(/from '\.\.?\/(?:_shared\/)?([a-z-]+\.ts)'/g)) {
      if (existsSync(join(FOLDER, '_shared', shared))) queue.push(join(FOLDER, '_shared', shared))
    }
  }
  return [...seen].map((path) => readFileSync(path, 'utf8')).join('\n')
}
const CLIENTS = /_shared\/(handler|store|user|vault-client|environment|errors)\.ts$/
const SECRET_VARIABLES: ReadonlySet<string> = new Set([
  'CONSOLE_LOGIN_KEY',
  'SUPABASE_SECRET_KEY',
  'SUPABASE_SECRET_KEYS',
  'VAULT_SERVICE_KEY',
  'INVITATION_KEY',
])

function namesIn(source: string, list: RegExp): string[] {
  return [...(list.exec(source)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, name = '']) => name)
}

function sources(): string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => join(FOLDER, path))
}
