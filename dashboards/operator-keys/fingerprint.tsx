import { formatFingerprint } from '../../domain/operator-key/public-key.ts'

export function Fingerprint({ keyId }: { readonly keyId: string }) {
  return <code>{formatFingerprint(keyId)}</code>
}
