import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from "react"
import { type Conversation, type ConversationState, type GrizzClient, initialState, type LiveReply } from "./index.ts"

const ClientContext = createContext<GrizzClient | null>(null)

/** Gives everything below it a client. */
export function GrizzProvider({ client, children }: { client: GrizzClient; children?: ReactNode }): ReactElement {
  return createElement(ClientContext.Provider, { value: client }, children)
}

/** Everything of a conversation but the text that is being written, which `useReply` gives. */
export interface ConversationOutline extends Omit<ConversationState, "reply" | "cursor" | "heard"> {
  readonly reply: Omit<LiveReply, "text"> | null
}

/** What `useConversation` gives. */
export interface UsedConversation {
  /** What to call: `send`, `stop`, `retry`, `loadEarlier` … The same object as long as it is the same conversation. */
  readonly conversation: Conversation
  readonly state: ConversationOutline
}

/** All may be left out. */
export interface UseConversationOptions {
  /** The one of `GrizzProvider` when left out. */
  client?: GrizzClient
  /** IANA zone of `today`; the device's own when left out. */
  timezone?: string
  /** Whether `today` goes on to the new day by itself, once nothing runs in the old one; true when left out. */
  movesOn?: boolean
}

/**
 * A conversation, connected as long as the component is mounted. The component renders when something changes in it, but
 * not for the words of a reply that is being written.
 */
export function useConversation(idOrToday: string, options: UseConversationOptions = {}): UsedConversation {
  const given = useContext(ClientContext)
  const client = options.client ?? given
  if (client === null)
    throw new Error("useConversation needs a client: from a GrizzProvider above it, or as an option.")
  const { timezone, movesOn = true } = options
  const [held, setHeld] = useState(() => hold(client, idOrToday, timezone))
  const isCurrent = held.client === client && held.idOrToday === idOrToday && held.timezone === timezone
  const current = isCurrent ? held : hold(client, idOrToday, timezone)
  if (!isCurrent) setHeld(current)
  const { store } = current

  useEffect(() => {
    store.conversation.connect()
    return () => store.conversation.close()
  }, [store])
  const used = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getServerSnapshot)

  const { reply, queued, pending, dayOver } = used.state
  const isQuiet = reply === null && queued.length === 0 && !pending.some(({ status }) => status === "sending")
  if (movesOn && dayOver && isQuiet) setHeld(hold(client, idOrToday, timezone))
  return used
}

/** The reply that is being written, with its text so far. Renders with every piece of it: to be used by what shows it. */
export function useReply(conversation: Conversation): LiveReply | null {
  const reply = () => conversation.state.reply
  return useSyncExternalStore(conversation.subscribe, reply, () => null)
}

/** The whole state. Renders with every piece of a reply. */
export function useConversationState(conversation: Conversation): ConversationState {
  return useSyncExternalStore(conversation.subscribe, conversation.getSnapshot, () => initialState)
}

/** Makes the object alone: it connects when it is used, so that rendering has no effect. */
function hold(client: GrizzClient, idOrToday: string, timezone: string | undefined) {
  const conversation = idOrToday === "today" ? client.today(timezone) : client.conversation(idOrToday)
  return { client, idOrToday, timezone, store: new OutlineStore(conversation) }
}

/** A conversation without what changes with every piece of a reply; the same object until the rest changes. */
class OutlineStore {
  readonly conversation: Conversation
  readonly #initial: UsedConversation
  #used: UsedConversation

  constructor(conversation: Conversation) {
    this.conversation = conversation
    this.#initial = { conversation, state: outlineOf(initialState) }
    this.#used = { conversation, state: outlineOf(conversation.state) }
  }

  readonly subscribe = (listener: () => void): (() => void) => this.conversation.subscribe(listener)

  readonly getSnapshot = (): UsedConversation => {
    const before = this.#used.state
    const next = outlineOf(this.conversation.state)
    const isSameReply = before.reply?.id === next.reply?.id && before.reply?.attempt === next.reply?.attempt
    const state = isSameReply ? { ...next, reply: before.reply } : next
    if (!isShallowEqual(state, before)) this.#used = { conversation: this.conversation, state }
    return this.#used
  }

  readonly getServerSnapshot = (): UsedConversation => this.#initial
}

function outlineOf(state: ConversationState): ConversationOutline {
  const { reply, cursor: _cursor, heard: _heard, ...rest } = state
  return { ...rest, reply: reply && { id: reply.id, messageId: reply.messageId, attempt: reply.attempt } }
}

function isShallowEqual(one: ConversationOutline, other: ConversationOutline): boolean {
  const others = new Map(Object.entries(other))
  return Object.entries(one).every(([key, value]) => Object.is(value, others.get(key)))
}
