import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import vectors from '../../conformance/vectors/backup.json' with { type: 'json' }
import { concat, toHex, utf8 } from '../bytes.ts'
import { generateHpkeKeyPair } from '../hpke.ts'
import { parseBackup } from './file.ts'
import {
  backupKeyId,
  formatBackupPrivateKey,
  formatBackupPublicKey,
  parseBackupPrivateKey,
  parseBackupPublicKey,
} from './key.ts'
import { backupInfo, openFromBackup, sealForBackup, sealForBackupWithEphemeral } from './seal.ts'
import { decodeSecrets, encodeSecrets } from './shares.ts'

const { key } = vectors
const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const privateKey = fromHex(key.private_key)
const publicKey = fromHex(key.public_key)

const Context = z.discriminatedUnion('purpose', [
  z.object({ purpose: z.literal('tenant-shares'), tenantId: z.string(), backupId: z.string() }),
  z.object({ purpose: z.literal('retired-kek'), kekVersion: z.number() }),
  z.object({ purpose: z.literal('restored-shares'), tenantId: z.string(), offerId: z.string() }),
])

describe('vectors of backups (V2)', () => {
  it('key, text and id', async () => {
    expect(formatBackupPublicKey(publicKey)).toBe(key.public_text)
    expect(formatBackupPrivateKey(privateKey)).toBe(key.private_text)
    expect(await parseBackupPrivateKey(key.private_text)).toEqual({ ok: true, value: { privateKey, publicKey } })
    expect(parseBackupPublicKey(key.public_text)).toEqual({ ok: true, value: publicKey })
    expect(backupKeyId(publicKey)).toBe(key.key_id)
  })

  it('secrets of a ledger', () => {
    const { audit_share, release_share, seq, hash, birth_hash, bytes } = vectors.secrets
    const shares = { audit: fromHex(audit_share), release: fromHex(release_share) }
    const secrets = { shares, seq, hash: fromHex(hash), birthHash: fromHex(birth_hash) }
    expect(toHex(encodeSecrets(secrets))).toBe(bytes)
    expect(decodeSecrets(fromHex(bytes))).toEqual({ ok: true, value: secrets })
  })

  it.each(vectors.sealed)('sealed $context.purpose', async (vector) => {
    const context = Context.parse(vector.context)
    const plaintext = fromHex(vector.plaintext)
    const sealed = await sealForBackupWithEphemeral({ publicKey, context, plaintext }, fromHex(vector.ephemeral))
    expect(toHex(backupInfo(context))).toBe(vector.info)
    expect(toHex(sealed)).toBe(vector.sealed)
    expect(await openFromBackup({ privateKey, context, sealed })).toEqual({ ok: true, value: plaintext })
  })

  it('the file', () => {
    const parsed = parseBackup(utf8(vectors.file.join('')))
    expect(parsed).toMatchObject({ ok: true, value: { key_id: key.key_id, sealed: [{}], missing: [{}] } })
  })
})

describe('what is sealed to the backup key (V2)', () => {
  const tenant = '8b0a4f6e-6d7e-4f0a-9a55-0c1d2e3f4a5b'
  const other = '0e9c1b2a-3d4e-4f5a-8b6c-7d8e9f0a1b2c'

  it('opens for its own tenant, backup and purpose alone', async () => {
    const context = { purpose: 'tenant-shares', tenantId: tenant, backupId: other } as const
    const sealed = await sealForBackup({ publicKey, context, plaintext: utf8('shares') })
    const moved = [
      { ...context, tenantId: other },
      { ...context, backupId: tenant },
      { purpose: 'restored-shares', tenantId: tenant, offerId: other } as const,
      { purpose: 'retired-kek', kekVersion: 1 } as const,
    ]
    for (const elsewhere of moved) {
      const opened = await openFromBackup({ privateKey, context: elsewhere, sealed })
      expect(opened).toEqual({ ok: false, code: 'not_openable' })
    }
    expect(await openFromBackup({ privateKey, context, sealed })).toMatchObject({ ok: true })
  })

  it('neither half of a key passes for the other, and a placeholder for none', async () => {
    const pair = await generateHpkeKeyPair()
    const [pub, sec] = [formatBackupPublicKey(pair.publicKey), formatBackupPrivateKey(pair.privateKey)]
    expect(parseBackupPublicKey(sec)).toEqual({ ok: false, code: 'backup_key_malformed' })
    expect(await parseBackupPrivateKey(pub)).toEqual({ ok: false, code: 'backup_key_malformed' })
    for (const text of ['', pub.slice(0, -1), `${pub}A`, formatBackupPublicKey(new Uint8Array(32))]) {
      expect(parseBackupPublicKey(text)).toEqual({ ok: false, code: 'backup_key_malformed' })
    }
  })
})

describe('a backup file', () => {
  const whole = utf8(vectors.file.join(''))
  const [header = '', sealed = '', missing = '', closing = ''] = vectors.file

  it('cut anywhere is refused', () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(parseBackup(whole.slice(0, length)).ok).toBe(false)
    }
  })

  it('with any byte changed is refused', () => {
    for (let at = 0; at < whole.length; at += 1) {
      expect(parseBackup(whole.with(at, (whole[at] ?? 0) ^ 1)).ok).toBe(false)
    }
  })

  it.each([
    ['nothing', '', 'backup_truncated'],
    ['no closing line', header + sealed + missing, 'backup_truncated'],
    ['no header', sealed + missing + closing, 'backup_malformed'],
    ['a line missing', header + sealed + closing, 'backup_digest_mismatch'],
    ['lines in another order', header + missing + sealed + closing, 'backup_digest_mismatch'],
    ['a line after its end', header + sealed + missing + closing + sealed, 'backup_truncated'],
  ])('with %s says so', (_, text, code) => {
    expect(parseBackup(utf8(text))).toEqual({ ok: false, code })
  })

  it('in another version is refused', () => {
    const newer = concat(utf8(header.replace('"version":1', '"version":2')), utf8(sealed + missing + closing))
    expect(parseBackup(newer)).toEqual({ ok: false, code: 'backup_malformed' })
  })
})
