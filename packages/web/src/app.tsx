import { appConfig, GrizzClient, type PageConfig } from "@grizz/client"
import { type ReactNode, useEffect, useMemo, useState } from "react"
import { ChatPage } from "./chat-page.tsx"
import { type Account, type Session, storedSession, storeSession, tokensOf } from "./session.ts"
import { SupabaseApp } from "./supabase-app.tsx"
import { DevelopmentSignIn, LoadingScreen, TokenSignIn } from "./welcome.tsx"

/** From the engine's configuration through sign-in to the chat. `url`: where the engine is. */
export function App({ url }: { url: string }) {
  const [config, setConfig] = useState<PageConfig | null>(null)
  const [failed, setFailed] = useState(false)

  useEffect(() => {
    void appConfig(url).then(setConfig, () => setFailed(true))
  }, [url])

  if (config === null) return <LoadingScreen failed={failed} onRetry={() => location.reload()} />
  return <ConfiguredApp url={url} config={config} />
}

function ConfiguredApp({ url, config }: { url: string; config: PageConfig }) {
  const { supabase_url, supabase_publishable_key: publishableKey } = config
  const project = useMemo(
    () => (supabase_url === null || publishableKey === null ? null : { url: supabase_url, publishableKey }),
    [supabase_url, publishableKey],
  )
  const chat = (account: Account) => <SignedIn key={account.userId} url={url} config={config} account={account} />
  if (project !== null) return <SupabaseApp project={project}>{chat}</SupabaseApp>
  return <StoredSessionApp url={url} kind={config.sign_in === "development" ? "development" : "pasted"} chat={chat} />
}

interface StoredSessionAppProps {
  url: string
  kind: Session["kind"]
  chat: (account: Account) => ReactNode
}

/** For the sessions that this page keeps itself. */
function StoredSessionApp({ url, kind, chat }: StoredSessionAppProps) {
  const [session, setSession] = useState<Session | null>(storedSession)
  const account = useMemo(() => {
    if (session === null) return null
    const signOut = () => {
      storeSession(null)
      setSession(null)
    }
    return { userId: session.userId, token: tokensOf(session, url), signOut }
  }, [session, url])
  if (account !== null && session?.kind === kind) return chat(account)
  const signIn = (next: Session) => {
    storeSession(next)
    setSession(next)
  }
  return kind === "development" ? <DevelopmentSignIn url={url} onSignIn={signIn} /> : <TokenSignIn onSignIn={signIn} />
}

interface SignedInProps {
  url: string
  config: PageConfig
  account: Account
}

function SignedIn({ url, config, account: { token, signOut } }: SignedInProps) {
  const client = useMemo(() => new GrizzClient({ url, token }), [url, token])
  return <ChatPage client={client} offlineModel={config.model === "offline"} onSignOut={signOut} />
}
