import type { ConnectionState, ConversationState } from "./conversation-state.ts"
import { GrizzError } from "./grizz-error.ts"

interface Watched {
  readonly state: ConversationState
  subscribe(listener: () => void): () => void
}

/** The first state that fits. @throws GrizzError when the conversation is closed before; the signal's reason */
export function untilState(
  watched: Watched,
  fits: (state: ConversationState) => boolean,
  signal: AbortSignal | undefined,
): Promise<ConversationState> {
  return new Promise((resolve, reject) => {
    let unsubscribe = () => {}
    const settle = (finish: () => void) => {
      unsubscribe()
      signal?.removeEventListener("abort", abort)
      finish()
    }
    const abort = () => settle(() => reject(signal?.reason))
    const look = () => {
      const { state } = watched
      if (fits(state)) settle(() => resolve(state))
      else if (state.connection.status === "closed") settle(() => reject(closedError(state.connection)))
    }
    unsubscribe = watched.subscribe(look)
    signal?.addEventListener("abort", abort)
    if (signal?.aborted === true) abort()
    else look()
  })
}

/** Why a conversation is closed. */
export function closedError({ error }: ConnectionState): GrizzError {
  const status = error instanceof GrizzError ? error.status : null
  return new GrizzError(error?.code ?? "network", error?.message ?? "The conversation was closed.", { status })
}
