import type { Metadata } from 'next'
import { ConsolePage } from '../../console/console-page.tsx'

export const metadata: Metadata = { title: 'SQL console' }

export default function Page() {
  return <ConsolePage />
}
