// In the place of @supabase/supabase-js, which the examples name and this project's SDK does not need: a session whose
// tokens are the engine's development tokens.

interface Session {
  access_token: string
}
type Answer = Promise<{ data: { session: Session | null }; error: null }>

export interface SupabaseLike {
  auth: {
    getSession(): Answer
    refreshSession(): Answer
    signInWithPassword(credentials: { email: string; password: string }): Answer
    signOut(): Promise<{ error: null }>
  }
}

export function createClient(_url: string, _key: string): SupabaseLike {
  let session: Session | null = null
  const answer = async () => ({ data: { session }, error: null })
  const signIn = async () => {
    const body = JSON.stringify({ user_id: "00000000-0000-4000-8000-00000000beaa" })
    const init = { method: "POST", body, headers: { "content-type": "application/json" } }
    session = await (await fetch(`${process.env["ENGINE_URL"]}/dev/token`, init)).json()
    return answer()
  }
  const signOut = async () => {
    session = null
    return { error: null }
  }
  return { auth: { getSession: answer, refreshSession: signIn, signInWithPassword: signIn, signOut } }
}
