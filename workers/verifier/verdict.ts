import type { Finding } from './finding.ts'
import type { Receipt } from './receipt.ts'

/** What one step with one log came to. */
export type Verdict =
  | { readonly kind: 'unmoved' }
  /** The position is saved; there is more to walk. */
  | { readonly kind: 'more' }
  /** Nothing is signed on a chain that the last end-to-end walk found wrong, until one finds it sound. */
  | { readonly kind: 'withheld' }
  | { readonly kind: 'sound'; readonly size: number; readonly signed: Receipt | null; readonly more: boolean }
  | { readonly kind: 'finding'; readonly finding: Finding }
