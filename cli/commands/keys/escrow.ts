import { join } from 'node:path'
import { z } from 'zod'
import type { Arguments } from '../../command.ts'
import { askOperatorDoor } from '../../operator.ts'
import { writePrivately } from '../../private-file.ts'

/** A KEK sealed to the backup key (docs/formats.md), as one JSON object in a file. */
export const Escrow = z.strictObject({
  format: z.literal('flarewatch-kek-escrow'),
  version: z.literal(1),
  kek_version: z.int().positive(),
  key_id: z.string().regex(/^[0-9a-f]{16}$/),
  sealed: z.base64url(),
})
export type Escrow = z.infer<typeof Escrow>

/** Has the version sealed and keeps the file. It is written before anything rests on it. */
export async function putInEscrow(args: Arguments, version: number): Promise<string> {
  const { key_id, sealed } = await askOperatorDoor(args, 'kek-escrow', { version })
  const escrow: Escrow = { format: 'flarewatch-kek-escrow', version: 1, kek_version: version, key_id, sealed }
  const path = join(args.dir, 'escrow', `kek.v${version}.json`)
  writePrivately(path, `${JSON.stringify(escrow)}\n`)
  return path
}
