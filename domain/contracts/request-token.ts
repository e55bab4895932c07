import { z } from 'zod'

/** How long a JWT that proves one request may live. */
export const REQUEST_JWT_MAX_AGE_SECONDS = 30

/** Claims of a JWT (EdDSA) for one request, beside `iss` and `aud`: `op` and `body_sha256` (base64url) bind it, `jti` is used once. */
export const RequestClaims = z.object({
  iat: z.int(),
  exp: z.int(),
  jti: z.uuid(),
  op: z.string().max(64),
  body_sha256: z.string().length(43),
})
