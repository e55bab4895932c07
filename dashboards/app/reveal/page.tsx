import type { Metadata } from 'next'
import { RevealPage } from '../../reveal/reveal-page.tsx'

export const metadata: Metadata = { title: 'Reveal a credential' }

export default function Page() {
  return <RevealPage />
}
