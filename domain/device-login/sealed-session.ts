import { lengthPrefixed, utf8, zeroize } from '../bytes.ts'
import { SealedSession } from '../contracts/device-login.ts'
import { hpkeOpen, hpkeSeal } from '../hpke.ts'
import { failure, type Result, success } from '../result.ts'

const SEAL_LABEL = utf8('flarewatch/device-login/v1')

/** One login on one deployment. An answer to another one does not open in its place. */
type LoginContext = { readonly origin: string; readonly code: string; readonly pickupId: Uint8Array }

/** The `info` of RFC 9180 section 5.1. */
function loginInfo({ origin, code, pickupId }: LoginContext): Uint8Array {
  return lengthPrefixed(SEAL_LABEL, utf8(origin), utf8(code), pickupId)
}

type SealInput = {
  readonly publicKey: Uint8Array
  readonly context: LoginContext
  readonly session: SealedSession
}
type OpenInput = { readonly privateKey: Uint8Array; readonly context: LoginContext; readonly sealed: Uint8Array }

export async function sealSession({ publicKey, context, session }: SealInput): Promise<Uint8Array> {
  const plaintext = utf8(JSON.stringify(SealedSession.parse(session)))
  try {
    return await hpkeSeal({ publicKey, info: loginInfo(context), plaintext })
  } finally {
    zeroize(plaintext)
  }
}

export async function openSession({
  privateKey,
  context,
  sealed,
}: OpenInput): Promise<Result<SealedSession, 'not_openable'>> {
  const opened = await hpkeOpen({ privateKey, info: loginInfo(context), sealed })
  if (!opened.ok) return failure('not_openable')
  try {
    const session = SealedSession.safeParse(JSON.parse(new TextDecoder().decode(opened.value)))
    return session.success ? success(session.data) : failure('not_openable')
  } catch {
    return failure('not_openable')
  } finally {
    zeroize(opened.value)
  }
}
