import type { Metadata } from 'next'
import { OperatorKeysPage } from '../../operator-keys/operator-keys-page.tsx'

export const metadata: Metadata = { title: 'Operator keys' }

export default function Page() {
  return <OperatorKeysPage />
}
