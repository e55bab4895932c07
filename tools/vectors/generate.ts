import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { auditVectors } from './audit.ts'
import { backupVectors } from './backup.ts'
import { certificateVectors } from './certificate.ts'
import { envelopeVectors } from './envelope.ts'
import { checkpointVectors, exportVectors, merkleVectors } from './log.ts'

/**
 * Writes `conformance/vectors/*.json`, the same at every run. Formats are final: a diff here means that what is already
 * stored no longer verifies.
 */
const folder = join(import.meta.dirname, '../../conformance/vectors')
const files = {
  envelope: await envelopeVectors(),
  audit: await auditVectors(),
  backup: await backupVectors(),
  merkle: merkleVectors(),
  checkpoint: await checkpointVectors(),
  certificate: await certificateVectors(),
  export: await exportVectors(),
}
for (const [name, vectors] of Object.entries(files)) {
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(vectors, null, 1)}\n`)
}
