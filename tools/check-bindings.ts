import { dirname } from 'node:path'
import { drift } from './walls/drift.ts'

const lines = drift(dirname(import.meta.dirname))
for (const line of lines) console.log(line)
process.exitCode = lines.length === 0 ? 0 : 1
