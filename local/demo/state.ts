import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/**
 * What the demo needs to sign in again and to go on where a kill cut it off. Ids are picked before they are used, so that
 * a step done twice meets itself. The provider's token is not here: a step that needs one asks for a new one.
 */
const DemoState = z.object({
  email: z.email(),
  password: z.string().min(20),
  totp_secret: z.string().optional(),
  factor_id: z.uuid().optional(),
  /** Keeps the session across a restart: a second session could claim no freshness for 90 seconds (A3). */
  refresh_token: z.string().optional(),
  tenant_id: z.uuid(),
  credential_id: z.uuid(),
  /** Of the second credential, a Stripe account's. */
  stripe_credential_id: z.uuid().default(() => randomUUID()),
  progress: z.enum(['begun', 'enrolled', 'tenant', 'stored']),
})
export type DemoState = z.infer<typeof DemoState>

export type StateFile = { readonly current: DemoState; readonly update: (change: Partial<DemoState>) => void }

const EMAIL = 'demo@flarewatch.example'

export function openState(dir: string): StateFile {
  const path = join(dir, 'secrets', 'demo.json')
  let state = existsSync(path) ? DemoState.parse(JSON.parse(readFileSync(path, 'utf8'))) : newState()
  const update = (change: Partial<DemoState>) => {
    state = { ...state, ...change }
    mkdirSync(join(dir, 'secrets'), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  update({})
  return {
    get current() {
      return state
    },
    update,
  }
}

function newState(): DemoState {
  return {
    email: EMAIL,
    password: randomBytes(18).toString('base64url'),
    tenant_id: randomUUID(),
    credential_id: randomUUID(),
    stripe_credential_id: randomUUID(),
    progress: 'begun',
  }
}
