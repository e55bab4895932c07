import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { MANIFEST_FILE, manifestDrift, manifestOf } from './commitments/manifest.ts'

/** Compares the decision records with their manifest; with `--write` makes the manifest anew. */
const root = dirname(import.meta.dirname)
if (process.argv.includes('--write')) writeFileSync(join(root, MANIFEST_FILE), manifestOf(root))
const lines = manifestDrift(root)
for (const line of lines) console.log(line)
if (lines.length > 0) console.log('Read the change, then run: node tools/adr-manifest.ts --write')
process.exitCode = lines.length === 0 ? 0 : 1
