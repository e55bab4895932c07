import { z } from 'zod'
import type { EventMessage, IngestMessage } from '../../domain/contracts/queues.ts'
import { embeddedOnly, hyperdrive, queue } from '../runtime/bindings.ts'

export const Bindings = z.object({ DB: hyperdrive, INGEST: queue<IngestMessage | EventMessage>(), ...embeddedOnly })
export type Bindings = z.output<typeof Bindings>
