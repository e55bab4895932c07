import { createHash } from 'node:crypto'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { auditVerify } from '../../cli/commands/audit/verify.ts'
import { encodeExportLine } from '../../domain/audit/export.ts'
import { genesisHash, rowHashInput } from '../../domain/audit/row.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import { formatCheckpoint, originOf } from '../../domain/note/checkpoint.ts'
import { formatVkey, generateSigner } from '../../domain/note/keys.ts'
import { signNote } from '../../domain/note/signed-note.ts'
import { type BenchResult, compared, inRounds, type Measure } from './compare.ts'
import { longChain } from './long-log.ts'
import type { BenchRun } from './scale.ts'

const LOG_NAME = 'flarewatch.test/log'
const TENANT = 'a8a4f8e5-1f0b-4d3c-9f5e-3c1f3f6a2b10'
const SIZES = { ci: { rounds: 1, rows: 2_000 }, full: { rounds: 5, rows: 200_000 } } as const
const OF_HASHING = 0.6

/** `flarewatch audit verify FILE`, against a loop that does nothing but hash the same rows, whose bytes it has in memory. */
export async function benchExport({ scale, seed, say }: BenchRun): Promise<BenchResult> {
  const { rounds, rows } = SIZES[scale]
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-export-'))
  const file = join(dir, 'export.ndjson')
  try {
    const { vkey, inputs } = await writeExport(file, rows, seed)
    const verified = async (): Promise<Measure> => {
      const began = performance.now()
      const { document } = await auditVerify.run({ dir, values: { trust: vkey }, positionals: [file] })
      return {
        times: rows,
        ms: performance.now() - began,
        work: document.ok ? String(document.head) : JSON.stringify(document),
      }
    }
    const hashed = async (): Promise<Measure> => {
      const began = performance.now()
      let digest = Buffer.of()
      for (const input of inputs) digest = createHash('sha256').update(input).digest()
      return { times: rows, ms: performance.now() - began, work: digest.toString('base64') }
    }
    const { ours, peer } = await inRounds(rounds, { ours: verified, peer: hashed }, say)
    return compared({
      name: 'verify: an export offline, against a bare SHA-256 loop',
      unit: 'rows/s',
      ours,
      peer,
      limit: OF_HASHING,
    })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** As the gateway writes it, signed by a key of its own. */
async function writeExport(file: string, rows: number, seed: number) {
  const signer = await generateSigner(LOG_NAME)
  const tree = new MerkleFrontier()
  const inputs: Uint8Array[] = []
  async function* lines() {
    const chainStart = genesisHash(TENANT)
    yield encodeExportLine({ kind: 'header', tenantId: TENANT, firstSeq: 1, previousHash: chainStart, frontier: [] })
    let chainHead: Uint8Array = chainStart
    for (const row of longChain(TENANT, rows, seed)) {
      inputs.push(rowHashInput(row))
      tree.append(row.hash)
      chainHead = row.hash
      yield encodeExportLine({ kind: 'row', row })
    }
    const origin = originOf(LOG_NAME, TENANT)
    const text = formatCheckpoint({ origin, size: tree.size, root: tree.root(), chainHead, at: Date.now() })
    yield encodeExportLine({ kind: 'checkpoint', note: await signNote(text, [signer]) })
  }
  await pipeline(Readable.from(lines()), createWriteStream(file))
  return { vkey: formatVkey(signer), inputs }
}
