import { expect, test } from 'vitest'
import { runRotation } from './run.ts'

/** `npm run rotation -- --scale full` is the same with 10,000 credentials. */
const TIMEOUT_MS = 420_000
const SEED = 7

test(
  'V4 a rotation that is killed three times completes, no release meanwhile is refused, every record opens, no ciphertext changes',
  async () => {
    const report = await runRotation({ scale: 'ci', seed: SEED, say: (line) => void process.stderr.write(`${line}\n`) })
    expect(report).toMatchObject({
      ok: true,
      kills: 3,
      rows_left: 0,
      ciphertexts_unchanged: true,
      releases_meanwhile: { refused: 0 },
      releases_afterwards: { released: report.credentials, refused: 0 },
    })
    expect(report.releases_meanwhile.released).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)
