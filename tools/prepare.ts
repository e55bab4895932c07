import { existsSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildDashboard } from '../dashboards/build.ts'

/** After `npm install`: the command under its name, so that `npx flarewatch` packs nothing, and the dashboard's assets. */
const link = join(dirname(import.meta.dirname), 'node_modules', '.bin', 'flarewatch')
if (!existsSync(link)) symlinkSync('../../cli/flarewatch.mjs', link)
const { built } = await buildDashboard()
console.error(built ? 'dashboard built' : 'dashboard unchanged')
