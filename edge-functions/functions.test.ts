import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

const FOLDER = import.meta.dirname
const List = z.strictObject({
  functions: z.array(
    z.strictObject({
      name: z.string(),
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
      if (!path.endsWith('_shared/store.ts')) expect(text, path).not.toMatch(/supabase-js|\.rpc\(|\.from\(/)
      if (!path.endsWith('sql-console/run.ts')) expect(text, path).not.toMatch(/from 'postgres'/)
    }
  })
})

function namesIn(source: string, list: RegExp): string[] {
  return [...(list.exec(source)?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, name = '']) => name)
}

function sources(): string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => join(FOLDER, path))
}
