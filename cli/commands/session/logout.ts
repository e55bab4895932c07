import { type Arguments, type Command, EXIT } from '../../command.ts'
import { findSession, removeSession } from '../../session.ts'
import { signOut } from '../../sign-in.ts'

export const logout: Command = {
  usage: 'flarewatch logout',
  summary: 'end the session that login left, here and on the server',
  options: {},
  positionals: 0,
  async run({ dir }: Arguments) {
    const session = findSession(dir)
    // Whether the server hears it or not, nothing stays on this disk.
    const told =
      session === null
        ? true
        : await signOut(session, session).then(
            () => true,
            () => false,
          )
    removeSession(dir)
    const text = session === null ? 'Nobody was signed in' : `Signed out ${session.email}`
    return {
      document: { ok: true, was_signed_in: session !== null, server_told: told },
      text: told ? text : `${text}; the server did not answer, so the session ends there by itself`,
      exit: EXIT.ok,
    }
  },
}
