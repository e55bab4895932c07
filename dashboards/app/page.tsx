'use client'
import { CredentialsResponse } from '../../domain/contracts/api.ts'
export default function Page() {
  return <p>{String(CredentialsResponse.safeParse({}).success)}</p>
}
