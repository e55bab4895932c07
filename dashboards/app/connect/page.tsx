import type { Metadata } from 'next'
import { ConnectPage } from '../../connect/connect-page.tsx'

export const metadata: Metadata = { title: 'Connect a provider' }

export default function Page() {
  return <ConnectPage />
}
