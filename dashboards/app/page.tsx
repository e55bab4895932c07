import type { Metadata } from 'next'
import { OverviewPage } from '../overview/overview-page.tsx'

export const metadata: Metadata = { title: 'Overview · Flarewatch' }

export default function Page() {
  return <OverviewPage />
}
