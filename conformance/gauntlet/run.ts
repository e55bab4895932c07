import { seeded } from '../random.ts'
import { FORGERIES } from './forgeries/all.ts'
import { Gauntlet } from './play.ts'
import { casesOf, type Report, type Scale, type Try } from './report.ts'
import { setScene } from './scene.ts'
import type { Place } from './storage.ts'
import { Superuser } from './superuser.ts'
import { corruptVault } from './vault.ts'
import { Watch, words } from './watch.ts'

export type Options = Place & { readonly seed: number; readonly scale: Scale; readonly say: (line: string) => void }

const SIZES = {
  ci: { tenants: 3, earlierRows: 20, laterRows: 12, untouchedRuns: 5, rounds: 1 },
  full: { tenants: 4, earlierRows: 600, laterRows: 300, untouchedRuns: 50, rounds: 10 },
} as const

export async function runGauntlet({
  dir,
  run,
  seed,
  scale,
  say,
}: Options): Promise<{ report: Report; tries: readonly Try[] }> {
  const superuser = new Superuser(run.postgres_superuser_url)
  const watch = new Watch(superuser.sql, run)
  const random = seeded(seed)
  const sizes = SIZES[scale]
  try {
    await watch.news()
    const { scene, falseAlarms } = await setScene({ dir, run }, superuser, watch, { sizes, random, say })
    const gauntlet = new Gauntlet({ dir, run }, scene, watch, say)
    try {
      await gauntlet.pinAll()
      for (let round = 1; round <= sizes.rounds; round += 1) {
        for (const forgery of FORGERIES) await gauntlet.play(forgery, random)
      }
      await gauntlet.close()
    } finally {
      await gauntlet.leave()
    }
    say('corrupting stored credentials')
    const vault = await corruptVault({ dir, run }, superuser, { scale, random })
    const findings = [
      ...vault.findings,
      ...falseAlarms.map((raised) => `untouched: ${words(raised)}`),
      ...gauntlet.findings,
    ]
    const cases = casesOf(gauntlet.tries)
    const alarms = falseAlarms.length + gauntlet.falseAlarms
    const report = {
      ok: findings.length === 0 && alarms === 0 && cases.every(({ tries, detected }) => tries === detected),
      seed,
      scale,
      tenants: scene.targets.length,
      rows: scene.targets.reduce((sum, { rows }) => sum + rows.length, 0),
      cases,
      vault: vault.cases,
      untouched_runs: sizes.untouchedRuns,
      false_alarms: alarms,
      findings,
    }
    return { report, tries: gauntlet.tries }
  } finally {
    await superuser.end()
  }
}
