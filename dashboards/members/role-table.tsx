import { JUDGED_ACTS, Role, roleMay } from '../../domain/contracts/roles.ts'
import { ACT_NAMES, ROLE_NAMES } from './words.ts'

/** Read from the one table that the vault judges by. */
export function RoleTable() {
  return (
    <table className="table table-plain">
      <caption>What each role may do. Each of these asks for a new code besides.</caption>
      <thead>
        <tr>
          <th scope="col">Act</th>
          {Role.options.map((role) => (
            <th key={role} scope="col">
              {ROLE_NAMES[role]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {JUDGED_ACTS.map((act) => (
          <tr key={act}>
            <th scope="row">{ACT_NAMES[act]}</th>
            {Role.options.map((role) => (
              <td key={role}>{roleMay(role, act) ? 'yes' : <span className="fine">no</span>}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
