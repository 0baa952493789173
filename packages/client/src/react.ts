import { useEffect, useMemo, useSyncExternalStore } from "react"
import { type ConversationState, initialState } from "./conversation-state.ts"
import type { GrizzClient, OpenOptions } from "./grizz-client.ts"
import type { LiveConversation } from "./live-conversation.ts"

export interface UsedConversation {
  state: ConversationState
  conversation: LiveConversation
}

/** The conversation, connected as long as the component is mounted; a change of its state re-renders the component. */
export function useConversation(
  client: GrizzClient,
  idOrToday: string,
  { timezone }: OpenOptions = {},
): UsedConversation {
  const conversation = useMemo(() => client.prepareConversation(idOrToday, { timezone }), [client, idOrToday, timezone])
  useEffect(() => {
    conversation.connect()
    return () => conversation.close()
  }, [conversation])
  const state = useSyncExternalStore(conversation.subscribe, conversation.getSnapshot, initialSnapshot)
  return { state, conversation }
}

const initialSnapshot = () => initialState
