import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { LOGIN_ROLES, type LoginRole } from './roles.ts'

export type PostgresPasswords = Readonly<Record<LoginRole, string>>

const PASSWORD_BYTES = 24
const PasswordFile = z.partialRecord(z.enum(LOGIN_ROLES), z.string().min(1))

/** One random password a role and data directory, kept in a file of mode 0600; roles that are new get theirs added. */
export function keptPasswords(path: string): PostgresPasswords {
  const kept = existsSync(path) ? PasswordFile.parse(JSON.parse(readFileSync(path, 'utf8'))) : {}
  const passwords = Object.fromEntries(
    LOGIN_ROLES.map((role) => [role, kept[role] ?? randomBytes(PASSWORD_BYTES).toString('base64url')]),
  ) as Record<LoginRole, string>
  if (LOGIN_ROLES.some((role) => kept[role] === undefined)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.new`, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  return passwords
}
