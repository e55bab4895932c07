import { z } from 'zod'
import { embeddedOnly, hyperdrive } from '../workers/runtime/bindings.ts'

export const HostBindings = z.object({ DB: hyperdrive, ...embeddedOnly })
export type HostBindings = z.output<typeof HostBindings>
