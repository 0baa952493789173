import { createElement, StrictMode } from "react"
import { renderToString } from "react-dom/server"
import { expect, test } from "vitest"
import { GrizzClient } from "../../src/index.ts"
import { GrizzProvider, useConversation, useConversationState, useReply } from "../../src/react.ts"

function Chat() {
  const { conversation, state } = useConversation("today")
  const reply = useReply(conversation)
  const whole = useConversationState(conversation)
  return `${state.connection.status} ${state.messages.length} ${reply?.text ?? "no reply"} ${whole.messages.length}`
}

test("on a server the hook renders the beginning, and connects to nothing", () => {
  const calls: string[] = []
  const client = new GrizzClient({
    url: "http://engine.test",
    token: async () => {
      calls.push("token")
      return "token"
    },
    fetch: async (url) => {
      calls.push(url)
      return new Response()
    },
  })
  const page = createElement(StrictMode, null, createElement(GrizzProvider, { client }, createElement(Chat)))
  expect(renderToString(page)).toBe("connecting 0 no reply 0")
  expect(calls).toEqual([])
})

test("without a client the hook says what it needs", () => {
  expect(() => renderToString(createElement(Chat))).toThrow("GrizzProvider")
})
