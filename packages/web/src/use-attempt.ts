import { useState } from "react"

export interface Attempt {
  busy: boolean
  /** What went wrong last, in words for the user. */
  problem: string | null
  /** Resolves to null where it went well, and otherwise to what went wrong. */
  attempt: (act: () => Promise<string | null>) => void
}

/** What a form does when it is sent: it is busy with it, and then says what went wrong. `before`: what did already. */
export function useAttempt(before: string | null = null): Attempt {
  const [state, setState] = useState({ busy: false, problem: before })
  const attempt = (act: () => Promise<string | null>) => {
    setState({ busy: true, problem: null })
    void act().then((problem) => setState({ busy: false, problem }))
  }
  return { ...state, attempt }
}
