import { randomUUID } from 'node:crypto'
import type { Page } from 'playwright-core'
import postgres from 'postgres'
import { OperatorCommand } from '../operator-command.ts'
import { simulate } from '../stack.ts'
import { readAs, Stage, type Visitor } from './stage.ts'

/** Who and what the chapters of the walk share, from `openScene` on: one story on one stack. */
export let stage: Stage
export let founder: Visitor
export let operator: Visitor
export let partner: Visitor
export let command: OperatorCommand
export let sql: postgres.Sql

export async function openScene(): Promise<void> {
  stage = await Stage.open()
  founder = await stage.enter('mara@lighthouse.example.test')
  operator = await stage.enter('ole@lighthouse.example.test')
  partner = await stage.enter('vera@lighthouse.example.test')
  command = new OperatorCommand(`horse-battery-${randomUUID()}`)
  sql = postgres(stage.run.postgres_superuser_url, { max: 1, onnotice: () => {} })
}

export async function closeScene(): Promise<void> {
  command?.remove()
  await sql?.end()
  await stage?.close()
}

type Line = { readonly id: string; readonly last4: string; readonly last_success_at: string | null }
export async function credentials(): Promise<Line[]> {
  return ((await readAs(founder.page, stage.run, '/api/credentials')).body as { credentials: Line[] }).credentials
}

export async function tokenFor(scope: string, zones: readonly string[]): Promise<string> {
  const { token } = (await simulate(stage.run, 'tokens', { scope, zones })) as { token: string }
  return token
}

/** The next call of the function arrives and is done; its answer does not arrive. */
export async function answerLost(page: Page, name: string): Promise<void> {
  await page.route(
    `**/functions/v1/${name}`,
    async (route) => {
      await route.fetch()
      await route.abort()
    },
    { times: 1 },
  )
}
