/** RFC 9470: an answer says in this header that who asks is known, and that the proof of it is too weak or too old. */
export const CHALLENGE_HEADER = 'www-authenticate'
const MAX_AGE_SECONDS = 300

/** What each of these refusals asks for: an `aal2` session, and where its age is what is wrong, a code of the last 5 minutes. */
const CHALLENGES: Readonly<Record<string, string>> = {
  aal2_required: challenge('A code from the authenticator app is needed'),
  aal2_stale: challenge('A newer code from the authenticator app is needed'),
  freshness_claimed: challenge('Another session used a code within the last 90 seconds'),
}

function challenge(description: string): string {
  const parts = [
    'error="insufficient_user_authentication"',
    `error_description="${description}"`,
    'acr_values="aal2"',
    `max_age="${MAX_AGE_SECONDS}"`,
  ]
  return `Bearer ${parts.join(', ')}`
}

/** The headers that an error of this code carries beside its JSON body. */
export function challengeHeaders(code: string): Record<string, string> {
  const wanted = CHALLENGES[code]
  return wanted === undefined ? {} : { [CHALLENGE_HEADER]: wanted }
}

/** Whether an answer asks for a code, whatever its body says. */
export function asksForCode(headers: Headers): boolean {
  return headers.get(CHALLENGE_HEADER)?.includes('error="insufficient_user_authentication"') ?? false
}
