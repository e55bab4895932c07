import { sha256 } from '@noble/hashes/sha2.js'
import { concat, toHex, utf8 } from '../../domain/bytes.ts'
import { aadOf, type Purpose } from '../../domain/envelope/aad.ts'
import { kekCheckValue } from '../../domain/envelope/kek.ts'
import { deriveSubkey, sealRecordWithNonce } from '../../domain/envelope/record.ts'
import { type WrapContext, wrapKeyWithNonce } from '../../domain/envelope/wrap.ts'
import { CREDENTIAL, fixedBytes, OTHER_TENANT, TENANT } from './fixed.ts'

export async function envelopeVectors() {
  return {
    comment: 'Bytes are hex. See docs/formats.md.',
    kek_checks: await Promise.all([1, 2, 0xffffffff].map(kekCheck)),
    demo_keks: demoKeks(),
    aad: aadVectors(),
    wraps: await Promise.all(wrapContexts.map(wrap)),
    records: await Promise.all(
      ['', 'cfut_0123456789abcdefghijABCDEFGHIJ0123456789', 'x'.repeat(1000)].map((text, i) => record(text, i + 1)),
    ),
    refused_records: await refusedRecords(),
  }
}

async function kekCheck(version: number) {
  const bytes = fixedBytes(`kek ${version}`)
  return { kek_version: version, kek: toHex(bytes), check_value: toHex(await kekCheckValue({ version, bytes })) }
}

function demoKeks() {
  const random = fixedBytes('demo kek', 24)
  const demo = concat(random, sha256(concat(utf8('flarewatch demo kek'), random)).subarray(0, 8))
  return [
    { kek: toHex(demo), demo: true },
    { kek: toHex(demo.with(31, (demo[31] ?? 0) ^ 1)), demo: false },
    { kek: toHex(fixedBytes('kek 1')), demo: false },
  ]
}

function aadVectors() {
  const of = (purpose: Purpose, subjectId: string | null, keyVersion: number, kekVersion?: number) => {
    const versions = kekVersion === undefined ? { keyVersion } : { keyVersion, kekVersion }
    const aad = toHex(aadOf({ purpose, tenantId: TENANT, subjectId, ...versions }))
    const kek_version = kekVersion ?? null
    return { purpose, tenant_id: TENANT, subject_id: subjectId, key_version: keyVersion, kek_version, aad }
  }
  return [
    of('tenant-dek', null, 1, 1),
    of('credential-dek', CREDENTIAL, 1, 2),
    of('audit-key', null, 3, 4),
    of('credential', CREDENTIAL, 1),
    of('audit-row', CREDENTIAL, 0xffffffff),
    of('audit-tag', null, 2),
  ]
}

const wrapContexts: readonly WrapContext[] = [
  { purpose: 'tenant-dek', tenantId: TENANT, keyVersion: 1 },
  { purpose: 'tenant-dek', tenantId: OTHER_TENANT, keyVersion: 2 },
  { purpose: 'audit-key', tenantId: TENANT, keyVersion: 1 },
  { purpose: 'credential-dek', tenantId: TENANT, credentialId: CREDENTIAL, keyVersion: 1 },
]

async function wrap(context: WrapContext, index: number) {
  const kek = { version: index + 1, bytes: fixedBytes(`kek ${index + 1}`) }
  const [share, key] = [fixedBytes(`share ${index}`), fixedBytes(`wrapped key ${index}`)]
  const nonce = fixedBytes(`wrap nonce ${index}`, 12)
  return {
    purpose: context.purpose,
    tenant_id: context.tenantId,
    credential_id: context.purpose === 'credential-dek' ? context.credentialId : null,
    key_version: context.keyVersion,
    kek_version: kek.version,
    kek: toHex(kek.bytes),
    share: toHex(share),
    nonce: toHex(nonce),
    key: toHex(key),
    wrapped: toHex(await wrapKeyWithNonce({ kek, share, context, key }, nonce)),
  }
}

async function record(text: string, dekVersion: number) {
  const context = { tenantId: TENANT, credentialId: CREDENTIAL, dekVersion }
  const [dek, salt] = [fixedBytes(`dek ${dekVersion}`), fixedBytes(`salt ${dekVersion}`)]
  const [subkey, nonce] = [await deriveSubkey({ dek, salt, context }), fixedBytes(`record nonce ${dekVersion}`, 12)]
  return {
    tenant_id: TENANT,
    credential_id: CREDENTIAL,
    dek_version: dekVersion,
    dek: toHex(dek),
    salt: toHex(salt),
    subkey: toHex(subkey),
    nonce: toHex(nonce),
    plaintext: toHex(utf8(text)),
    sealed: toHex(await sealRecordWithNonce({ subkey, context, plaintext: utf8(text) }, nonce)),
  }
}

async function refusedRecords() {
  const context = { tenantId: TENANT, credentialId: CREDENTIAL, dekVersion: 1 }
  const [subkey, nonce] = [fixedBytes('subkey'), fixedBytes('refused nonce', 12)]
  const plaintext = utf8('secret')
  const sealed = await sealRecordWithNonce({ subkey, context, plaintext }, nonce)
  const foreign = await sealRecordWithNonce({ subkey: fixedBytes('other subkey'), context, plaintext }, nonce)
  const refused = (why: string, bytes: Uint8Array, changes: Partial<typeof context> = {}) => {
    const { tenantId, credentialId, dekVersion } = { ...context, ...changes }
    const place = { tenant_id: tenantId, credential_id: credentialId, dek_version: dekVersion }
    return { why, ...place, subkey: toHex(subkey), sealed: toHex(bytes) }
  }
  return [
    refused(
      'sound ciphertext behind the commitment of another key',
      concat(foreign.subarray(0, 33), sealed.subarray(33)),
    ),
    refused('unknown version', sealed.with(0, 2)),
    refused('changed tag', sealed.with(-1, (sealed.at(-1) ?? 0) ^ 1)),
    refused('cut', sealed.subarray(0, -1)),
    refused('shorter than its header', sealed.subarray(0, 60)),
    refused('moved to another tenant', sealed, { tenantId: OTHER_TENANT }),
    refused('moved to another credential', sealed, { credentialId: OTHER_TENANT }),
    refused('under another DEK version', sealed, { dekVersion: 2 }),
  ]
}
