import type { Responses } from '../view/shares.ts'
import { Origin } from './origin.tsx'
import { ShareList } from './share-list.tsx'

type ResponseClassesProps = { readonly responses: Responses; readonly timeZone: string }

export function ResponseClasses({ responses: { shares, origin }, timeZone }: ResponseClassesProps) {
  return (
    <div className="breakdown">
      <ShareList caption="Responses by class" noun="Class" shares={shares} />
      {origin !== null && (
        <p className="provenance">
          <Origin figure={origin} timeZone={timeZone} />
        </p>
      )}
    </div>
  )
}
