import { type Arguments, type Command, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { describeVersion } from './lines.ts'

export const keysStatus: Command = {
  usage: 'flarewatch keys status [--vault URL]',
  summary: 'operator: each KEK version, whether it wraps or opens, and how many rows are under it',
  options: OPERATOR_OPTIONS,
  positionals: 0,
  async run(args: Arguments) {
    const { versions, isolate, history } = await askOperatorDoor(args, 'kek-status', {})
    const bound = isolate.bound.length === 0 ? 'no version' : `version ${isolate.bound.join(', ')}`
    const refusal = isolate.refusal === null ? '' : `, and refuses to open: ${isolate.refusal}`
    return {
      document: { ok: isolate.refusal === null, versions, isolate, history },
      text: [...versions.map(describeVersion), `The isolate that answered has ${bound} bound${refusal}`].join('\n'),
      exit: isolate.refusal === null ? EXIT.ok : EXIT.failed,
    }
  },
}
