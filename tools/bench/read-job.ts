export type ReadJob = { readonly side: 'verify' | 'cursor'; readonly tenantId: string }
export type ReadAnswer = { readonly rows: number }
