import { Provider } from '../../domain/contracts/providers.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { CONNECT_HELP } from './instructions.tsx'

type ProviderChoiceProps = {
  readonly provider: Provider
  readonly disabled: boolean
  readonly onProvider: (provider: Provider) => void
}

export function ProviderChoice({ provider, disabled, onProvider }: ProviderChoiceProps) {
  return (
    <fieldset className="choice" disabled={disabled}>
      <legend>Provider</legend>
      {Provider.options.map((name) => (
        <label key={name} className="choice-line">
          <input
            type="radio"
            name="provider"
            value={name}
            checked={name === provider}
            onChange={() => onProvider(name)}
          />
          <span>
            {PROVIDERS[name].label} <span className="fine">{CONNECT_HELP[name].brings}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
