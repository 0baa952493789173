import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react"
import type { Account } from "./session.ts"
import type { SupabaseAuth, SupabaseProject } from "./supabase-auth.ts"
import { SupabaseSignIn } from "./supabase-sign-in.tsx"
import { LoadingScreen } from "./welcome.tsx"

interface SupabaseAppProps {
  project: SupabaseProject
  children: (account: Account) => ReactNode
}

/** What is shown to the signed-in user of a Supabase project, and to others the way in. */
export function SupabaseApp({ project, children }: SupabaseAppProps) {
  const [auth, setAuth] = useState<SupabaseAuth | null>(null)
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    openAuth(project).then(setAuth, () => setFailed(true))
  }, [project])
  if (auth === null) return <LoadingScreen failed={failed} onRetry={() => location.reload()} />
  return <OpenApp auth={auth}>{children}</OpenApp>
}

function OpenApp({ auth, children }: { auth: SupabaseAuth } & Pick<SupabaseAppProps, "children">) {
  const userId = useSyncExternalStore(auth.subscribe, () => auth.userId)
  if (userId === null) return <SupabaseSignIn auth={auth} />
  return children({ userId, token: auth.token, signOut: () => void auth.signOut() })
}

let opened: Promise<SupabaseAuth> | null = null

/** Once: two of them would refresh each other's tokens. Its code is loaded only here. */
function openAuth(project: SupabaseProject): Promise<SupabaseAuth> {
  opened ??= import("./supabase-auth.ts").then(({ SupabaseAuth }) => SupabaseAuth.open(project))
  return opened
}
