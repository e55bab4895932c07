import { samplingText, sourceText } from '../view/provenance.ts'
import type { Responses } from '../view/shares.ts'
import { ShareList } from './share-list.tsx'

type ResponseClassesProps = { readonly responses: Responses }

export function ResponseClasses({ responses: { shares, provenance } }: ResponseClassesProps) {
  return (
    <div className="breakdown">
      <ShareList caption="Responses by class" noun="Class" shares={shares} />
      {provenance !== null && (
        <p className="provenance">
          {sourceText(provenance.source)} · {samplingText(provenance.sampling)}
        </p>
      )}
    </div>
  )
}
