import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MUTATIONS } from './mutations.ts'

/** `node mutated.ts NAME [flags of the simulation]`: the simulation of a ledger with one line changed. No file is written to. */
const [name, ...flags] = process.argv.slice(2)
const mutation = MUTATIONS.find((one) => one.name === name)
if (mutation === undefined) throw new Error(`no such mutation: ${name}`)
const file = join(import.meta.dirname, '../ledger', mutation.file)
const [before, after, ...more] = readFileSync(file, 'utf8').split(mutation.search)
if (before === undefined || after === undefined || more.length > 0) {
  throw new Error(`${mutation.file} does not have the line of ${name} once`)
}
const source = `${before}${mutation.replacement}${after}`
registerHooks({
  load: (url, context, nextLoad) =>
    url === pathToFileURL(file).href
      ? { format: 'module-typescript', source, shortCircuit: true }
      : nextLoad(url, context),
})
process.argv = [process.execPath, import.meta.filename, ...flags]
await import('./simulate.ts')
