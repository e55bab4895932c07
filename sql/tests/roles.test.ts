import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type JudgedAct, ROLES_OF_ACT, Role, roleMay } from '../../domain/contracts/roles.ts'
import { connectAs } from './database.ts'

const sql = connectAs('supabase_admin')
const roles = Role.options
const acts = Object.keys(ROLES_OF_ACT) as JudgedAct[]
/** `act owner yes` for every cell. */
const cell = (act: string, role: string, may: boolean) => `${act} ${role} ${may ? 'yes' : 'no'}`
const inDomain = acts.flatMap((act) => roles.map((role) => cell(act, role, roleMay(role, act)))).sort()

test('T6: SQL gives each role exactly the acts that the domain gives it', async () => {
  const rows = await sql<{ act: string; role: string; may: boolean }[]>`
    select act, role, flarewatch.role_may(role, act) as may
    from jsonb_array_elements_text(${sql.json(acts)}) as act cross join jsonb_array_elements_text(${sql.json(roles)}) as role`
  expect(rows.map(({ act, role, may }) => cell(act, role, may)).sort()).toEqual(inDomain)
})

test.each([
  ['admin', 'credential.store'],
  ['owner', 'credential.open'],
  ['', ''],
])('a role or an act that is not on the list may nothing: %s, %s', async (role, act) => {
  const [row] = await sql<{ may: boolean }[]>`select flarewatch.role_may(${role}, ${act}) as may`
  expect(row?.may).toBe(false)
})

test('docs/roles.md says what the domain has', () => {
  const text = readFileSync(new URL('../../docs/roles.md', import.meta.url), 'utf8')
  const told = text.split('\n').flatMap((line) => {
    const [, act, ...may] = line.split('|').map((part) => part.trim().replaceAll('`', ''))
    if (act === undefined || !act.includes('.')) return []
    return roles.map((role, index) => `${act} ${role} ${may[index]}`)
  })
  expect(told.sort()).toEqual(inDomain)
})
