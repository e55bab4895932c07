import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiteId } from '../../../domain/contracts/ids.ts'
import { type ResendSimulator, startResendSimulator } from '../../../local/simulators/resend/simulator.ts'
import { DAY_MS, World } from '../../../local/simulators/resend/world.ts'
import type { Finding, Look, PolledSite, ProviderAccess } from './provider.ts'
import { pollResend } from './resend.ts'

const SEED = 11
const world = new World(SEED)
/** Records of a domain that drifts are gone on three days of 28, from this one on. */
const DRIFTS = 20_628 * DAY_MS
const sites = world.domains.map(
  ({ id }, index): PolledSite => ({
    id: SiteId.parse(`00000000-0000-4000-8000-00000000000${index}`),
    providerRef: id,
    timeZone: 'UTC',
    currencies: [],
    cursors: { hourly: null, daily: DRIFTS - 3 * DAY_MS },
  }),
)

let simulator: ResendSimulator
let now: number
beforeEach(async () => {
  now = DRIFTS - DAY_MS
  simulator = await startResendSimulator({ seed: SEED, log: () => {}, now: () => now })
})
afterEach(() => simulator.stop())

async function poll(): Promise<readonly (readonly Finding[])[]> {
  const looks = new Map<string, Look>()
  const clock = async () => now
  const key = simulator.issueReadKey()
  const access: ProviderAccess = {
    apiUrl: simulator.apiUrl,
    fetch: (url, init) => fetch(url, init),
    clock,
    authorization: () => `Bearer ${key}`,
    acquire: async () => {},
    wait: async (ms) => {
      now += ms
    },
  }
  const storeFindings = async (look: Look) => void looks.set(look.siteId, look)
  await pollResend(access, sites, { clock, store: async () => {}, storeFindings })
  expect([...looks.values()].every(({ whole }) => whole.length === 3)).toBe(true)
  return sites.map(({ id }) => looks.get(id)?.findings ?? expect.fail())
}

describe('records that Resend does not find right', () => {
  it('are findings, each with what the record has to be, until they are right again', async () => {
    expect(await poll()).toEqual([[], [], []])
    now = DRIFTS
    expect(await poll()).toEqual([
      [],
      [
        {
          kind: 'dkim_record_unverified',
          subject: 'TXT resend._domainkey',
          detail: expect.stringMatching(/^failed: expected is p=/),
        },
      ],
      [
        {
          kind: 'spf_record_unverified',
          subject: 'MX send',
          detail: 'failed: expected is feedback-smtp.eu-west-1.amazonses.com',
        },
        {
          kind: 'spf_record_unverified',
          subject: 'TXT send',
          detail: 'failed: expected is v=spf1 include:amazonses.com ~all',
        },
      ],
    ])
    now = DRIFTS + 3 * DAY_MS
    expect(await poll()).toEqual([[], [], []])
  })
})
