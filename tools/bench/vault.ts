import { createHash } from 'node:crypto'
import { buildDecrypt } from '@aws-crypto/decrypt-node'
import { buildEncrypt } from '@aws-crypto/encrypt-node'
import { AlgorithmSuiteIdentifier, CommitmentPolicy } from '@aws-crypto/material-management-node'
import { RawAesKeyringNode, RawAesWrappingSuiteIdentifier } from '@aws-crypto/raw-aes-keyring-node'
import { bytesToUuid, lengthPrefixed, u32be, utf8, uuidToBytes } from '../../domain/bytes.ts'
import { aadOf } from '../../domain/envelope/aad.ts'
import { deriveSubkey, type RecordContext, sealRecord } from '../../domain/envelope/record.ts'
import { wrapKey } from '../../domain/envelope/wrap.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { bundle } from '../../local/workers/worker-options.ts'
import { compared, inRounds, type Measure } from './compare.ts'
import type { Bench } from './scale.ts'
import { ask, startWorkerd } from './workerd.ts'
import type { VaultCase } from './workers/vault-opens.ts'

const WORKER = 'tools/bench/workers/vault-opens.ts'
const CASES = 64
const SIZES = { ci: { rounds: 2, times: 200 }, full: { rounds: 9, times: 20_000 } } as const
/** The SDK is slow: it opens fewer in its turn, and is compared by the second. */
const SDK_SHARE = 20
const OF_BARE = 0.75
const OF_SDK = 10

/** How fast a wrapped, sealed and committed credential opens: our code, bare WebCrypto, and the library that others take for it. */
export const benchVault: Bench = async ({ scale, seed, say }) => {
  const { rounds, times } = SIZES[scale]
  const secrets = Array.from({ length: CASES }, (_, index) => `cfut_${seeded(seed, `secret ${index}`).toString('hex')}`)
  const cases = await Promise.all(secrets.map((secret, index) => vaultCase(seed, index, secret)))
  const openBySdk = await sdkSide(seed, secrets)
  const { port } = await freePorts('port')
  const workerd = await startWorkerd([
    {
      name: 'vault-opens',
      modules: [{ type: 'ESModule', path: 'vault-opens.mjs', contents: await bundle(WORKER) }],
      compatibilityDate: '2026-11-01',
      unsafeDirectSockets: [{ host: '127.0.0.1', port }],
    },
  ])
  const opens = (side: 'ours' | 'bare') => async (): Promise<Measure> => {
    const { work, ms } = await ask<{ work: string }>(port, { side, times, cases })
    return { times, ms, work }
  }
  try {
    const few = Math.max(CASES, Math.ceil(times / SDK_SHARE))
    const { ours, bare, sdk } = await inRounds(
      rounds,
      { ours: opens('ours'), bare: opens('bare'), sdk: () => openBySdk(few) },
      say,
    )
    const unit = 'opens/s'
    return [
      compared({ name: 'vault: against bare WebCrypto, both in workerd', unit, ours, peer: bare, limit: OF_BARE }),
      compared({ name: 'vault: against the AWS Encryption SDK in Node', unit, ours, peer: sdk, limit: OF_SDK }),
    ]
  } finally {
    await workerd.stop()
  }
}

export async function vaultCase(seed: number, index: number, secret: string): Promise<VaultCase> {
  const bytes = (what: string) => seeded(seed, `${what} ${index}`)
  const id = (what: string) => bytesToUuid(bytes(what).subarray(0, 16))
  const context: RecordContext = { tenantId: id('tenant'), credentialId: id('credential'), dekVersion: 1 }
  const { tenantId, credentialId, dekVersion: keyVersion } = context
  const [kek, share, dek, salt] = [seeded(seed, 'kek'), bytes('share'), bytes('dek'), bytes('salt')]
  const wrap = { purpose: 'credential-dek', tenantId, credentialId, keyVersion } as const
  const subkey = await deriveSubkey({ dek, salt, context })
  return {
    kek: base64(kek),
    share: base64(share),
    context,
    wrapped: base64(await wrapKey({ kek: { version: 1, bytes: kek }, share, context: wrap, key: dek })),
    salt: base64(salt),
    sealed: base64(await sealRecord({ subkey, context, plaintext: utf8(secret) })),
    wrapInfo: base64(lengthPrefixed(utf8('flarewatch/wrapping-key/v1'), uuidToBytes(tenantId), u32be(1))),
    wrapAad: base64(aadOf({ purpose: 'credential-dek', tenantId, subjectId: credentialId, keyVersion, kekVersion: 1 })),
    recordAad: base64(aadOf({ purpose: 'credential', tenantId, subjectId: credentialId, keyVersion })),
  }
}

/** A raw AES keyring stands for KEK and share; the suite derives and commits like ours, and signs nothing. */
async function sdkSide(seed: number, secrets: readonly string[]): Promise<(times: number) => Promise<Measure>> {
  const policy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
  const keyring = new RawAesKeyringNode({
    keyName: 'kek-v1',
    keyNamespace: 'flarewatch-bench',
    unencryptedMasterKey: Uint8Array.from(seeded(seed, 'kek')),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const { encrypt } = buildEncrypt(policy)
  const { decrypt } = buildDecrypt(policy)
  const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
  const encryptionContext = { tenant: bytesToUuid(seeded(seed, 'tenant').subarray(0, 16)) }
  const messages: Buffer[] = []
  for (const secret of secrets) messages.push((await encrypt(keyring, secret, { suiteId, encryptionContext })).result)
  return async (times) => {
    const began = performance.now()
    let work = 0
    for (let time = 0; time < times; time += 1) {
      const { plaintext } = await decrypt(keyring, messages[time % messages.length] ?? Buffer.of())
      if (time < messages.length) for (const byte of plaintext) work += byte
    }
    return { times, ms: performance.now() - began, work: `${messages.length} plaintexts, ${work}` }
  }
}

function seeded(seed: number, what: string): Buffer {
  return createHash('sha256').update(`${seed} ${what}`).digest()
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
