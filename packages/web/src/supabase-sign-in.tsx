import { type FormEvent, useState } from "react"
import type { SignInProblem, SupabaseAuth } from "./supabase-auth.ts"
import { texts } from "./texts.ts"
import { useAttempt } from "./use-attempt.ts"
import { Screen } from "./welcome.tsx"

/** Signs in by password, or by a link that comes by email. */
export function SupabaseSignIn({ auth }: { auth: SupabaseAuth }) {
  const [email, setEmail] = useState("")
  const [password, setPassword] = useState("")
  const [linkSentTo, setLinkSentTo] = useState<string | null>(null)
  const { busy, problem, attempt } = useAttempt(problemOnArrival(auth))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    setLinkSentTo(null)
    attempt(async () => wordsFor(await auth.signInWithPassword(email.trim(), password)))
  }
  const sendLink = () => {
    const address = email.trim()
    setLinkSentTo(null)
    attempt(async () => {
      const failed = await auth.sendLink(address)
      if (failed === null) setLinkSentTo(address)
      return wordsFor(failed)
    })
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
      <div role="alert">{problem !== null && <p className="form-error">{problem}</p>}</div>
      <output className="welcome-note">{linkSentTo !== null && texts.signIn.linkSent(linkSentTo)}</output>
      <p className="welcome-note">{texts.disclosure}</p>
    </Screen>
  )
}

/** What there is to say to somebody who did not come here to sign in. */
function problemOnArrival(auth: SupabaseAuth): string | null {
  return wordsFor(auth.arrivalProblem) ?? (auth.hasEnded ? texts.signIn.ended : null)
}

function wordsFor(problem: SignInProblem): string | null {
  if (problem === null) return null
  return texts.signIn.problems[problem.code] ?? texts.signIn.problem(problem.message)
}
