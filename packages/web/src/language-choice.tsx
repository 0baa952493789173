import { chooseLanguage, languages } from "./languages.ts"
import { texts } from "./texts.ts"

export function LanguageChoice() {
  return (
    <label className="language">
      <span className="visually-hidden">{texts.days.language}</span>
      <select value={texts.language} onChange={(event) => chooseLanguage(event.target.value)}>
        {Object.entries(languages).map(([code, { name }]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}
