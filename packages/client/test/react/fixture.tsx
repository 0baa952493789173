import { memo, StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { type Conversation, GrizzClient, type MessageResource } from "../../src/index.ts"
import { GrizzProvider, useConversation, useReply } from "../../src/react.ts"

declare global {
  interface Window {
    /** Set by the test before the page's script runs. */
    fixture: {
      token: string
      aheadMs: number
      renders: Record<string, number>
      client?: GrizzClient
      unmount?: () => void
    }
  }
}

const { fixture } = window
const client = new GrizzClient({
  url: location.origin,
  token: async () => fixture.token,
  now: () => Date.now() + fixture.aheadMs,
})
fixture.client = client

function count(what: string): void {
  fixture.renders[what] = (fixture.renders[what] ?? 0) + 1
}

const Said = memo(function Said({ message }: { message: MessageResource }) {
  count(`message ${message.content}`)
  return <li data-role={message.role}>{message.content}</li>
})

function Writing({ conversation }: { conversation: Conversation }) {
  count("writing")
  return <li id="writing">{useReply(conversation)?.text}</li>
}

function Chat() {
  count("chat")
  const { conversation, state } = useConversation("today", { timezone: "UTC" })
  return (
    <main data-status={state.connection.status} data-day={state.conversation?.conv_day}>
      <ol>
        {state.messages.map((message) => (
          <Said key={message.id} message={message} />
        ))}
        {state.reply !== null && <Writing key={state.reply.id} conversation={conversation} />}
        {state.pending.map(({ id, content }) => (
          <li key={id}>{content}</li>
        ))}
      </ol>
      <button type="button" onClick={() => conversation.send("Hello")}>
        Say hello
      </button>
    </main>
  )
}

const element = document.createElement("div")
document.body.replaceChildren(element)
const root = createRoot(element)
fixture.unmount = () => root.unmount()
root.render(
  <StrictMode>
    <GrizzProvider client={client}>
      <Chat />
    </GrizzProvider>
  </StrictMode>,
)
