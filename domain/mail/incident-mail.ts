import type { IncidentEntry, MailTenant } from '../contracts/mail.ts'
import { incidentWords, partWords } from '../incidents/words.ts'
import type { Mail, MailLinks } from './mail.ts'
import { oneLine, wrap } from './wrap.ts'

type Incidents = { readonly incidents: readonly IncidentEntry[]; readonly more: number }

/** To an owner: what was found in their agency, what it means and what to do. To the operator, of any agency: by its id. */
export function incidentMail({ incidents, more }: Incidents, tenant: MailTenant | null, links: MailLinks): Mail {
  const sorted = [...incidents].sort(graveFirst)
  const total = more + sorted.reduce((sum, { count }) => sum + count, 0)
  const where = tenant === null ? 'this deployment' : oneLine(tenant.name)
  const [first] = sorted
  const what = total === 1 && first !== undefined ? incidentWords(first.kind).title : `${total} incidents`
  const left = more === 0 ? [] : [`And ${more} more, of other kinds.`]
  return {
    subject: `[Flarewatch] ${what}: ${where}`,
    text: `${[
      wrap(`Flarewatch found what must be looked at, at ${where}${tenant === null ? '' : ` (${tenant.id})`}.`),
      ...sorted.map((entry, index) => paragraph(entry, index + 1, tenant === null)),
      ...left,
      tenant === null ? OPERATOR_END : ownerEnd(links),
    ].join('\n\n')}\n`,
  }
}

function graveFirst(one: IncidentEntry, other: IncidentEntry): number {
  const graver = Number(incidentWords(other.kind).grave) - Number(incidentWords(one.kind).grave)
  return graver !== 0 ? graver : Date.parse(one.at) - Date.parse(other.at)
}

const INDENT = '   '

function paragraph({ kind, part, seq, at, count, tenant_id }: IncidentEntry, number: number, named: boolean): string {
  const { title, meaning, next } = incidentWords(kind)
  const times = count === 1 ? '' : ` (${count} times)`
  const facts = [
    `Kind: ${kind}`,
    ...(seq === null ? [] : [`First bad row: ${seq}`]),
    ...(named ? [`Agency: ${tenant_id ?? 'none'}`] : []),
    `Found by: ${partWords(part)}`,
    `At: ${at.slice(0, 19).replace('T', ' ')} UTC`,
  ]
  return [
    `${number}. ${title}${times}.`,
    ...facts.map((fact) => INDENT + fact),
    wrap(`What it means: ${meaning}`, INDENT),
    wrap(`What to do: ${next}`, INDENT),
  ].join('\n')
}

function ownerEnd({ gatewayUrl }: MailLinks): string {
  return [
    `All incidents: ${gatewayUrl}/incidents/`,
    'On the command line: flarewatch incidents list',
    '',
    wrap('You get this mail because you are an owner of this agency. Incidents are mailed at most every 15 minutes.'),
  ].join('\n')
}

const OPERATOR_END = wrap(
  'You get this mail because you are named as the operator of this deployment. The owners of each agency are mailed too. Incidents are mailed at most every 15 minutes; the table flarewatch.incidents has every one.',
)
