import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { StatusResponse } from '../../../domain/contracts/api.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'

const TIMEOUT_MS = 10_000
const MAX_ANSWER_CHARACTERS = 64 * 1024
const RunFile = z.object({ pid: z.int().positive(), gateway_url: z.url() })

/** How a running stack says it is doing, part by part. */
export const statusShow: Command = {
  usage: 'flarewatch status',
  summary: 'how the stack that runs on DIR is doing',
  options: {},
  positionals: 0,
  async run({ dir }: Arguments) {
    const { gateway_url, pid } = readRunFile(dir)
    const status = await fetchStatus(gateway_url)
    const lines = status.parts.map(({ name, state, detail }) => `  ${name.padEnd(18)} ${state.padEnd(9)} ${detail}`)
    return {
      document: { ...status, gateway_url, pid },
      text: [`${status.ok ? 'ok' : 'not ok'}: ${gateway_url}`, ...lines].join('\n'),
      exit: status.ok ? EXIT.ok : EXIT.failed,
    }
  },
}

function readRunFile(dir: string): z.infer<typeof RunFile> {
  const path = join(dir, 'run.json')
  try {
    return RunFile.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new CommandRefused('not_running', `No stack runs on ${dir}. Start one: npm start`)
  }
}

async function fetchStatus(gatewayUrl: string): Promise<z.infer<typeof StatusResponse>> {
  try {
    const response = await fetch(new URL('/api/status', gatewayUrl), { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const text = await response.text()
    return StatusResponse.parse(JSON.parse(text.slice(0, MAX_ANSWER_CHARACTERS)))
  } catch {
    throw new CommandRefused('gateway_unreachable', `${gatewayUrl} gave no status. Look into DIR/logs`)
  }
}
