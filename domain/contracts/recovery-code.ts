import { z } from 'zod'

/** Crockford's base32: no letter that is taken for a digit, and none that spells words. */
export const RECOVERY_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
export const RECOVERY_SIGNS = 20
const GROUP = /.{5}(?=.)/g

/** A recovery code as it is shown, sent and hashed. */
export const RecoveryCode = z.string().regex(/^(?:[0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/)

/** Twenty signs in four groups of five. */
export function groupedRecoveryCode(signs: string): string {
  return signs.replaceAll(GROUP, '$&-')
}

/** A code as it is written here, from how a person typed it; null for what cannot be one. */
export function typedRecoveryCode(typed: string): string | null {
  const code = RecoveryCode.safeParse(groupedRecoveryCode(typedSigns(typed)))
  return code.success ? code.data : null
}

/** The signs of the alphabet in what a person typed: groups or none, either case, and the letters that it leaves out for digits. */
export function typedSigns(typed: string): string {
  return typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1')
}
