import type { Conversation, GrizzClient } from "@grizz/client"
import { type ConversationOutline, useConversation } from "@grizz/client/react"
import { type ReactNode, useEffect, useRef, useState } from "react"
import { type Addressed, addressOf } from "./addressed-conversation.ts"
import { Announcer } from "./announcer.tsx"
import { Composer } from "./composer.tsx"
import { ConnectionBanner } from "./connection-banner.tsx"
import { dayNumber, writtenDay } from "./days.ts"
import { EmptyDay } from "./empty-day.tsx"
import { useLocalDay } from "./local-day.ts"
import { nameOf } from "./sidebar.tsx"
import { texts } from "./texts.ts"
import { Transcript } from "./transcript.tsx"
import { useResumedReply } from "./use-resumed-reply.ts"

interface ConversationViewProps {
  client: GrizzClient
  /** Today's alone can be written to here. */
  addressed: Addressed
  offlineModel: boolean
  /** The button that opens the days, where they are a drawer. */
  menu: ReactNode
  /** Something was said, or may have been said while the connection was away. */
  onSpoken: () => void
  /** The user goes on to the day that has begun. */
  onNewDay: () => void
  onSignOut: () => void
}

export function ConversationView(props: ConversationViewProps) {
  const { client, addressed, offlineModel, menu, onSpoken, onNewDay, onSignOut } = props
  const { conversationId } = addressed
  const { conversation, state } = useConversation(conversationId ?? "today", { client })
  const { messages } = state
  const [opened] = useState(conversation)
  const resumed = useResumedReply(state)
  const online = state.connection.status === "open"
  useEffect(() => {
    if (online && (messages.length > 0 || conversation !== opened)) onSpoken()
  }, [online, messages.length, conversation, opened, onSpoken])

  return (
    <>
      <Header state={state} ofToday={conversationId === null} menu={menu} />
      {offlineModel && (
        <p className="notice">
          <strong>{texts.offlineModel.title}</strong> {texts.offlineModel.detail}
        </p>
      )}
      <ConnectionBanner connection={state.connection} onRetry={() => conversation.connect()} onSignIn={onSignOut} />
      <Transcript
        key={conversation.id}
        state={state}
        conversation={conversation}
        resumed={resumed}
        addressed={addressed}
      >
        <EmptyDay state={state} past={conversationId !== null} onStart={(text) => conversation.send(text)} />
      </Transcript>
      <Announcer state={state} />
      <footer className="foot">
        {conversationId === null && (
          <NewDayBar state={state} hasMovedOn={conversation !== opened} onNewDay={onNewDay} />
        )}
        {conversationId === null ? <TodayComposer state={state} conversation={conversation} /> : <ReadingBar />}
        <p className="disclosure">{texts.disclosure}</p>
      </footer>
    </>
  )
}

function TodayComposer({ state, conversation }: { state: ConversationOutline; conversation: Conversation }) {
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

interface NewDayBarProps {
  state: ConversationOutline
  /** The page has gone on to the new day by itself. */
  hasMovedOn: boolean
  onNewDay: () => void
}

/** Midnight has passed: the page has gone on, or waits until nothing runs, or is led on by the reader. */
function NewDayBar({ state, hasMovedOn, onNewDay }: NewDayBarProps) {
  const today = useLocalDay()
  const day = state.conversation?.conv_day ?? null
  if (day === null) return null
  const isOver = day < today
  if (!isOver && !hasMovedOn) return null
  return (
    <output className="new-day">
      {isOver ? texts.days.newDay : texts.days.movedOn}{" "}
      {isOver && (
        <button type="button" className="button link" onClick={onNewDay}>
          {texts.days.toNewDay}
        </button>
      )}
    </output>
  )
}

function ReadingBar() {
  return (
    <div className="reading-bar">
      <p>{texts.days.reading}</p>
      <a className="button primary" href={addressOf(null)}>
        {texts.days.back}
      </a>
    </div>
  )
}

interface HeaderProps {
  state: ConversationOutline
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
  const name = state.conversation === null ? unnamed : nameOf(state.conversation, today)
  const day = state.conversation?.conv_day ?? null
  const written = day === null ? name : writtenDay(day, today)
  return (
    <header className="head">
      {menu}
      {day !== null && (
        <span className="folio" aria-hidden="true">
          {dayNumber(day)}
        </span>
      )}
      <div className="head-title">
        <h1 ref={heading} tabIndex={-1}>
          {name}
        </h1>
        {written !== name && <p className="head-date">{written}</p>}
      </div>
      <p className="line-state" data-status={state.connection.status}>
        <span>{texts.connection.states[state.connection.status]}</span>
      </p>
    </header>
  )
}
