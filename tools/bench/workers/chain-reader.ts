import { genesisStart, type WalkStart } from '../../../domain/audit/walk-start.ts'
import { TenantId } from '../../../domain/contracts/ids.ts'
import { connect } from '../../../workers/runtime/database.ts'
import { StreamingSocket } from '../../../workers/runtime/streaming-socket.ts'
import { LIMITS } from '../../../workers/verifier/instruments.ts'
import { walkChain } from '../../../workers/verifier/walk.ts'
import type { ReadAnswer, ReadJob } from '../read-job.ts'

/** One log read twice over: checked as the night checks it, and by a bare cursor that looks at nothing. Timed from outside. */
const CURSOR_ROWS = 1000

type Env = { readonly DB: Hyperdrive }

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { side, tenantId } = (await request.json()) as ReadJob
    const answer = side === 'verify' ? await verify(env, TenantId.parse(tenantId)) : await readBarely(env, tenantId)
    return Response.json(answer)
  },
}

/** In the steps of a night, each on a connection of its own. */
async function verify({ DB }: Env, tenantId: TenantId): Promise<ReadAnswer> {
  for (let start: WalkStart = genesisStart(tenantId); ; ) {
    const sql = connect(DB, { socket: StreamingSocket.open })
    try {
      const walk = await walkChain(sql, tenantId, { start, limit: LIMITS.walkedRows, earlier: new Map(), cutter: null })
      if (walk.broken !== null) throw new Error(`${walk.broken.code} at ${walk.broken.seq}`)
      if (walk.exhausted && !walk.headMatches) throw new Error('the head is not the last row')
      if (walk.exhausted) return { rows: walk.size }
      start = walk.end
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
}

async function readBarely({ DB }: Env, tenantId: string): Promise<ReadAnswer> {
  const sql = connect(DB)
  try {
    let rows = 0
    const pages = sql`
      select epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
      from flarewatch.audit_log where tenant_id = ${tenantId} order by epoch, seq`.cursor(CURSOR_ROWS)
    for await (const page of pages) rows += page.length
    return { rows }
  } finally {
    await sql.end({ timeout: 1 })
  }
}
