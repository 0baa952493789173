import { type FormEvent, useState } from "react"
import type { SignInProblem, SupabaseAuth } from "./supabase-auth.ts"
import { texts } from "./texts.ts"
import { Screen } from "./welcome.tsx"

type State = { kind: "idle" | "busy" } | { kind: "linkSent"; email: string } | { kind: "failed"; words: string }

/** Signs in by password, or by a link that comes by email. */
export function SupabaseSignIn({ auth }: { auth: SupabaseAuth }) {
  const [email, setEmail] = useState("")
  const [password, setPassword] = useState("")
  const [state, setState] = useState<State>(() => beginningOf(auth))
  const busy = state.kind === "busy"
  const ask = (asked: Promise<SignInProblem>, done: State) => {
    setState({ kind: "busy" })
    void asked.then((problem) => setState(problem === null ? done : { kind: "failed", words: wordsFor(problem) }))
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!busy) ask(auth.signInWithPassword(email.trim(), password), { kind: "idle" })
  }
  const sendLink = () => {
    const address = email.trim()
    ask(auth.sendLink(address), { kind: "linkSent", email: address })
  }
  return (
    <Screen>
      <h1>{texts.signIn.title}</h1>
      <p className="welcome-lead">{texts.signIn.lead}</p>
      <form className="sign-in-form token-form" onSubmit={submit}>
        <label htmlFor="email">{texts.signIn.email}</label>
        <input
          id="email"
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
        <label htmlFor="password">{texts.signIn.password}</label>
        <input
          id="password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <button type="submit" className="button primary large" aria-disabled={busy}>
          {busy ? texts.signIn.busy : texts.signIn.withPassword}
        </button>
        <button type="button" className="button" onClick={sendLink} disabled={busy || !/.@./.test(email)}>
          {texts.signIn.withLink}
        </button>
      </form>
      <div role="alert">{state.kind === "failed" && <p className="form-error">{state.words}</p>}</div>
      <output className="welcome-note">{state.kind === "linkSent" && texts.signIn.linkSent(state.email)}</output>
      <p className="welcome-note">{texts.disclosure}</p>
    </Screen>
  )
}

/** With what there is to say to somebody who did not come here to sign in. */
function beginningOf(auth: SupabaseAuth): State {
  if (auth.arrivalProblem !== null) return { kind: "failed", words: wordsFor(auth.arrivalProblem) }
  return auth.hasEnded ? { kind: "failed", words: texts.signIn.ended } : { kind: "idle" }
}

function wordsFor({ code, message }: Exclude<SignInProblem, null>): string {
  return texts.signIn.problems[code] ?? texts.signIn.problem(message)
}
