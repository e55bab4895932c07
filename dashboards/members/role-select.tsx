'use client'

import type { RefObject } from 'react'
import { Role } from '../../domain/contracts/roles.ts'
import { ROLE_NAMES } from './words.ts'

type RoleSelectProps = {
  readonly select: RefObject<HTMLSelectElement | null>
  readonly id: string
  readonly value: Role
}

export function RoleSelect({ select, id, value }: RoleSelectProps) {
  return (
    <div className="field">
      <label htmlFor={id}>Role</label>
      <select id={id} ref={select} className="input" defaultValue={value}>
        {Role.options.map((role) => (
          <option key={role} value={role}>
            {ROLE_NAMES[role]}
          </option>
        ))}
      </select>
    </div>
  )
}
