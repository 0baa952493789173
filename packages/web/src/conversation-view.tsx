import { type ConversationState, type GrizzClient, type LiveConversation, timeline } from "@grizz/client"
import { useConversation } from "@grizz/client/react"
import { type ReactNode, useEffect, useMemo, useRef } from "react"
import { addressOf } from "./addressed-conversation.ts"
import { Announcer } from "./announcer.tsx"
import { Composer } from "./composer.tsx"
import { ConnectionBanner } from "./connection-banner.tsx"
import { writtenDay } from "./days.ts"
import { EmptyDay } from "./empty-day.tsx"
import { useLocalDay } from "./local-day.ts"
import { nameOf } from "./sidebar.tsx"
import { texts } from "./texts.ts"
import { Transcript } from "./transcript.tsx"

interface ConversationViewProps {
  client: GrizzClient
  /** Null for today's, which alone can be written to here. */
  conversationId: string | null
  offlineModel: boolean
  /** The button that opens the days, where they are a drawer. */
  menu: ReactNode
  /** A message of the user was stored. */
  onSpoken: () => void
  onSignOut: () => void
}

export function ConversationView(props: ConversationViewProps) {
  const { client, conversationId, offlineModel, menu, onSpoken, onSignOut } = props
  const { state, conversation } = useConversation(client, conversationId ?? "today")
  const { messages, reply, queued, pending, replyErrors } = state
  const items = useMemo(
    () => timeline({ messages, reply, queued, pending, replyErrors }),
    [messages, reply, queued, pending, replyErrors],
  )
  useEffect(() => {
    if (messages.length > 0) onSpoken()
  }, [messages.length, onSpoken])

  return (
    <>
      <Header state={state} ofToday={conversationId === null} menu={menu} />
      {offlineModel && (
        <p className="notice">
          <strong>{texts.offlineModel.title}</strong> {texts.offlineModel.detail}
        </p>
      )}
      <ConnectionBanner connection={state.connection} onRetry={() => conversation.connect()} onSignIn={onSignOut} />
      <Transcript state={state} items={items} conversation={conversation} readOnly={conversationId !== null}>
        <EmptyDay state={state} past={conversationId !== null} onStart={(text) => conversation.send(text)} />
      </Transcript>
      <Announcer state={state} />
      <footer className="foot">
        {conversationId === null ? (
          <TodayComposer state={state} conversation={conversation} />
        ) : (
          <ReadingBar state={state} />
        )}
        <p className="disclosure">{texts.disclosure}</p>
      </footer>
    </>
  )
}

function TodayComposer({ state, conversation }: { state: ConversationState; conversation: LiveConversation }) {
  const active = state.reply?.id ?? state.queued[0]?.reply_id ?? null
  return (
    <Composer
      running={active !== null}
      stopping={active !== null && state.stopping.includes(active)}
      onSend={(text) => conversation.send(text)}
      onStop={() => conversation.stop()}
    />
  )
}

function ReadingBar({ state }: { state: ConversationState }) {
  const today = useLocalDay()
  return (
    <div className="reading-bar">
      {state.conversation !== null && <p>{texts.days.reading(nameOf(state.conversation, today))}</p>}
      <a className="button primary" href={addressOf(null)}>
        {texts.days.back}
      </a>
    </div>
  )
}

interface HeaderProps {
  state: ConversationState
  /** Today's conversation is shown. */
  ofToday: boolean
  menu: ReactNode
}

function Header({ state, ofToday, menu }: HeaderProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  const today = useLocalDay()
  // Where one lands after choosing a day; today's composer takes the focus itself.
  useEffect(() => {
    if (!ofToday) heading.current?.focus()
  }, [ofToday])
  const unnamed = ofToday ? texts.days.today : ""
  const day = state.conversation?.conv_day ?? null
  return (
    <header className="head">
      {menu}
      <h1 ref={heading} tabIndex={-1}>
        {state.conversation === null ? unnamed : nameOf(state.conversation, today)}
      </h1>
      {day === today && <p className="head-date">{writtenDay(day, today)}</p>}
    </header>
  )
}
