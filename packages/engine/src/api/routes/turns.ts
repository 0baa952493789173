import { messageCreate, problem, turn as turnSchema } from "@grizz/protocol"
import type { FastifyReply } from "fastify"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import { ChatError } from "../../core/errors.ts"
import type { NewMessage, TokenVerifier, TurnStore } from "../../ports.ts"
import type { ChatService } from "../../services/chat-service.ts"
import type { ConversationReader } from "../../services/conversation-reader.ts"
import { parseId, requireUser } from "../authenticate.ts"
import { EventStream } from "../sse/event-stream.ts"
import type { LongAnswers } from "../sse/long-answers.ts"
import { TurnReader } from "../sse/turn-reader.ts"
import { TurnStream } from "../sse/turn-stream.ts"
import { type Turn, TurnWait } from "../sse/turn-wait.ts"
import { messageResource } from "../wire.ts"

export interface TurnRouteOptions {
  verifier: TokenVerifier
  chat: ChatService
  reader: ConversationReader
  turns: TurnStore
  longAnswers: LongAnswers
}

type SentMessage = Omit<NewMessage, "replyId">

export function turnRoutes(options: TurnRouteOptions): FastifyPluginAsyncZod {
  const { reader, longAnswers } = options

  async function stream(sent: SentMessage, reply: FastifyReply): Promise<void> {
    const events = new EventStream(reply)
    longAnswers.add(events)
    const turn = new TurnReader(sent.messageId, new TurnStream(sent.conversationId, events))
    const following = await reader.follow(sent.userId, sent.conversationId, null, turn)
    events.following = following
    try {
      await send(options, sent, turn, () => events.open())
    } catch (error) {
      following.stop()
      throw error
    }
  }

  /** Null when the client left before the end. */
  async function wait(sent: SentMessage, reply: FastifyReply): Promise<Turn | null> {
    const waiting = new TurnWait(reply.raw)
    longAnswers.add(waiting)
    const turn = new TurnReader(sent.messageId, waiting)
    const following = await reader.follow(sent.userId, sent.conversationId, null, turn)
    try {
      await send(options, sent, turn)
      return await waiting.turn
    } finally {
      following.stop()
    }
  }

  return async (app) => {
    app.addHook("onRequest", requireUser(options.verifier))
    app.addHook("onSend", async (_, reply) => void reply.header("cache-control", "no-store"))
    const schema = {
      tags: ["Messages"],
      security: [{ bearer: [] }],
      summary: "Says something, and waits for the reply; with `Accept: text/event-stream`, streams it",
      params: z.object({ id: z.string() }),
      body: messageCreate,
      response: {
        200: { description: "The turn's events", content: { "text/event-stream": { schema: z.string() } } },
        201: turnSchema,
        "4xx": problem,
        "5xx": problem,
      },
    }
    app.post("/conversations/:id/messages", { schema }, async ({ userId, params, body, headers }, reply) => {
      const { id: messageId, content, metadata = null } = body
      const sent = { userId, conversationId: parseId(params.id, "conversation"), messageId, content, metadata }
      if (acceptsEventStream(headers.accept)) {
        await stream(sent, reply)
        return reply
      }
      const turn = await wait(sent, reply)
      if (turn === null) return reply.hijack()
      void reply.code(201)
      return { message: messageResource(turn.message), reply: messageResource(turn.reply) }
    })
  }
}

/** Sends the message and lets its turn be heard; `onAccepted` comes before the first event. */
async function send(
  { chat, turns }: TurnRouteOptions,
  sent: SentMessage,
  turn: TurnReader,
  onAccepted: () => void = () => undefined,
): Promise<void> {
  const { outcome, replyId } = await chat.accept(sent)
  if (outcome === "accepted") {
    onAccepted()
    return turn.start(replyId)
  }
  const stored = await turns.find(sent.userId, replyId)
  if (stored === null) throw new ChatError("not_found", "This message, or the reply to it, was erased.")
  onAccepted()
  turn.repeat(stored)
}

/** Whether the client asks for a stream by name: `*` is what everybody sends. */
function acceptsEventStream(accept: string | undefined): boolean {
  return (accept ?? "").split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase())
    return type === "text/event-stream" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}
