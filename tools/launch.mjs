// Starts a TypeScript entry point on a Node that can run it. Plain JavaScript, since an older Node must be able to
// read it and say in one line what is missing.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const NEEDED = [22, 18]
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(
    `Flarewatch needs Node ${NEEDED.join('.')} or newer and this is ${process.versions.node}. ` +
      'On Linux x64 `npm install` brings one; elsewhere install a current Node and try again.',
  )
  process.exit(78)
}
const [entry, ...rest] = process.argv.slice(2)
process.argv = [process.execPath, resolve(entry), ...rest]
await import(pathToFileURL(resolve(entry)).href)
