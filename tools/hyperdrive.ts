import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { EXPECTED_BINDINGS } from './walls/expected.ts'
import { cachingFault, hyperdriveBindings } from './walls/hyperdrive.ts'

/** `npm run hyperdrive`: asks the Cloudflare account about every Hyperdrive that a Worker is bound to. Exits 1 unless each caches nothing. */
const root = dirname(import.meta.dirname)
const json = process.argv.includes('--json')
const files = Object.entries(EXPECTED_BINDINGS)
  .filter(([, lines]) => lines.some((line) => line.startsWith('hyperdrive ')))
  .map(([file]) => file)
const results = hyperdriveBindings(root, files).map(({ file, id }) => ({ file, id, fault: faultOf(id) }))
const ok = results.length === files.length && results.every(({ fault }) => fault === null)
if (json) process.stdout.write(`${JSON.stringify({ ok, results })}\n`)
else
  for (const { file, fault } of results)
    console.log(`${fault === null ? 'ok     ' : 'FAILED '} ${file}${fault === null ? '' : `: ${fault}`}`)
process.exitCode = ok ? 0 : 1

function faultOf(id: string): string | null {
  if (/^0*$/.test(id)) return 'no configuration is named'
  const { status, stdout } = spawnSync('wrangler', ['hyperdrive', 'get', id], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return status === 0 ? cachingFault(stdout) : 'wrangler could not read the configuration'
}
