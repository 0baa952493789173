import { appConfig, GrizzClient, type PageConfig } from "@grizz/client"
import { useEffect, useMemo, useState } from "react"
import { ChatPage } from "./chat-page.tsx"
import { type Session, storedSession, storeSession, tokensOf } from "./session.ts"
import { LoadingScreen, Welcome } from "./welcome.tsx"

/** From the engine's configuration through sign-in to the chat. `url`: where the engine is. */
export function App({ url }: { url: string }) {
  const [config, setConfig] = useState<PageConfig | null>(null)
  const [failed, setFailed] = useState(false)
  const [session, setSession] = useState<Session | null>(storedSession)

  useEffect(() => {
    void appConfig(url).then(setConfig, () => setFailed(true))
  }, [url])

  if (config === null) return <LoadingScreen failed={failed} onRetry={() => location.reload()} />
  const fits = session !== null && (session.kind === "development") === (config.sign_in === "development")
  if (!fits) {
    const signIn = (next: Session) => {
      storeSession(next)
      setSession(next)
    }
    return <Welcome url={url} config={config} onSignIn={signIn} />
  }
  const signOut = () => {
    storeSession(null)
    setSession(null)
  }
  return <SignedIn key={session.userId} url={url} config={config} session={session} onSignOut={signOut} />
}

interface SignedInProps {
  url: string
  config: PageConfig
  session: Session
  onSignOut: () => void
}

function SignedIn({ url, config, session, onSignOut }: SignedInProps) {
  const client = useMemo(() => new GrizzClient({ url, token: tokensOf(session, url) }), [url, session])
  return <ChatPage client={client} offlineModel={config.model === "offline"} onSignOut={onSignOut} />
}
