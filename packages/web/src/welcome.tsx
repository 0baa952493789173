import { type FormEvent, type ReactNode, useState } from "react"
import { LanguageChoice } from "./language-choice.tsx"
import { Scene, sceneHourOf } from "./scene.tsx"
import { type Session, signInForDevelopment } from "./session.ts"
import { texts } from "./texts.ts"
import { useAttempt } from "./use-attempt.ts"

export function LoadingScreen({ failed, onRetry }: { failed: boolean; onRetry: () => void }) {
  return (
    <Screen>
      <output className="welcome-lead">{failed ? texts.welcome.failed : texts.welcome.loading}</output>
      {failed && (
        <button type="button" className="button primary" onClick={onRetry}>
          {texts.welcome.tryAgain}
        </button>
      )}
    </Screen>
  )
}

interface WelcomeProps {
  url: string
  onSignIn: (session: Session) => void
}

/** The engine makes a user for this browser. */
export function DevelopmentSignIn({ url, onSignIn }: WelcomeProps) {
  const { busy, problem, attempt } = useAttempt()
  const signIn = async () => {
    try {
      onSignIn(await signInForDevelopment(url))
      return null
    } catch {
      return texts.welcome.failed
    }
  }
  return (
    <Screen>
      <h1>{texts.welcome.title}</h1>
      <p className="welcome-lead">{texts.welcome.lead}</p>
      <button type="button" className="button primary large" onClick={() => attempt(signIn)} disabled={busy}>
        {busy ? texts.welcome.starting : texts.welcome.start}
      </button>
      {problem !== null && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
      <p className="welcome-note">{texts.disclosure}</p>
      <p className="welcome-note">{texts.welcome.developmentNote}</p>
    </Screen>
  )
}

/** For an engine that verifies tokens without saying to whom users sign in. */
export function TokenSignIn({ onSignIn }: Pick<WelcomeProps, "onSignIn">) {
  const [token, setToken] = useState("")
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const accessToken = token.trim()
    if (accessToken !== "") onSignIn({ kind: "pasted", accessToken, userId: null })
  }
  return (
    <Screen>
      <h1>{texts.welcome.tokenTitle}</h1>
      <p className="welcome-lead">{texts.welcome.tokenLead}</p>
      <form className="token-form" onSubmit={submit}>
        <label htmlFor="token">{texts.welcome.tokenLabel}</label>
        <textarea
          id="token"
          rows={4}
          value={token}
          onChange={(event) => setToken(event.target.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <button type="submit" className="button primary large">
          {texts.welcome.tokenSubmit}
        </button>
      </form>
      <p className="welcome-note">{texts.welcome.tokenNote}</p>
      <p className="welcome-note">{texts.disclosure}</p>
    </Screen>
  )
}

/** The frame of what is shown before the chat. */
export function Screen({ children }: { children: ReactNode }) {
  const [hour] = useState(() => sceneHourOf(new Date().getHours()))
  return (
    <main className="welcome">
      <div className="welcome-card">
        <Scene hour={hour} />
        {children}
        <LanguageChoice />
      </div>
    </main>
  )
}
