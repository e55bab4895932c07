import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A deploy "succeeds" with a specifier that does not resolve, so every function is type-checked by Deno itself, offline. */
const root = dirname(import.meta.dirname)
const deno = join(dirname(createRequire(import.meta.url).resolve('deno/package.json')), 'deno')
const entries = readdirSync(join(root, 'edge-functions'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
  .map((entry) => join('edge-functions', entry.name, 'index.ts'))
const { status } = spawnSync(deno, ['check', '--no-remote', '--config', 'edge-functions/deno.json', ...entries], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
