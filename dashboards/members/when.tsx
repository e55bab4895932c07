import { formatDateTime } from '../view/format.ts'

export function When({ at }: { readonly at: string }) {
  return (
    <time className="number" dateTime={at}>
      {formatDateTime(Date.parse(at), 'UTC')}
    </time>
  )
}
