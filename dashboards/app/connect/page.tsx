import type { Metadata } from 'next'
import { ConnectPage } from '../../connect/connect-page.tsx'

export const metadata: Metadata = { title: 'Connect Cloudflare' }

export default function Page() {
  return <ConnectPage />
}
