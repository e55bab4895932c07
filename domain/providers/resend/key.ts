import { failure, type Result, success } from '../../result.ts'

/** `re_`, then letters, digits and underscores: nothing that would not travel in a header as it is. */
const API_KEY = /^re_[A-Za-z0-9_]{16,128}$/

/** A key's look does not tell what it may do: that is asked for. */
export function judgeKeyShape(text: string): Result<null, 'credential_malformed'> {
  return API_KEY.test(text) ? success(null) : failure('credential_malformed')
}
