import { Challenged } from './http.ts'
import { askPerson } from './prompt.ts'
import { currentSession, type Session, saveSession } from './session.ts'
import { enrolledFactor, verifyTotp } from './sign-in.ts'

/**
 * RFC 9470: an act of a session whose proof is too weak or too old is asked for a code, once, and done again, once. Where there is
 * nobody to ask, the refusal stands.
 */
export async function answeringChallenge<Value>(
  dir: string,
  act: (session: Session) => Promise<Value>,
  ask: (() => Promise<string>) | null = process.stdin.isTTY ? askForCode : null,
): Promise<Value> {
  const session = await currentSession(dir)
  try {
    return await act(session)
  } catch (error) {
    if (!(error instanceof Challenged) || ask === null) throw error
    process.stderr.write(`${error.message}\n`)
  }
  const factorId = await enrolledFactor(session, session)
  const raised = { ...session, ...(await verifyTotp(session, session, { factorId, code: await ask() })) }
  saveSession(dir, raised)
  return act(raised)
}

function askForCode(): Promise<string> {
  return askPerson('Code from your authenticator: ', 'a newer session: flarewatch login')
}
