import type { ChatAgent } from "../agents/chat-agent.ts"
import { ChatError, ReplyFailure } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import type { ContextMessage, ReplyOutcome, ReplyWriter } from "../ports.ts"

/** Reasons for which a reply's production is aborted. */
export const replyStopped = new ChatError("interrupted", "The reply was stopped.")
export const shuttingDown = new ReplyFailure("interrupted", "The server shut down.")

/** Runs the model into the reply's text; whatever happens, there is an outcome. Never rejects. */
export async function produceReply(
  agent: ChatAgent,
  context: ContextMessage[],
  writer: ReplyWriter,
  signal: AbortSignal,
  logger: Logger,
): Promise<ReplyOutcome> {
  const startedAtMs = performance.now()
  let firstTextMs: number | null = null
  const onText = (text: string) => {
    firstTextMs ??= performance.now() - startedAtMs
    writer.append(text)
  }
  const outcome = await answer(agent, context, onText, signal, logger)
  const { status, errorCode, usage, model } = outcome
  logger.info(
    {
      status,
      code: errorCode,
      model,
      input_tokens: usage?.inputTokens,
      output_tokens: usage?.outputTokens,
      first_text_ms: firstTextMs === null ? null : Math.round(firstTextMs),
      duration_ms: Math.round(performance.now() - startedAtMs),
    },
    "reply ended",
  )
  return { ...outcome, text: writer.text }
}

async function answer(
  agent: ChatAgent,
  context: ContextMessage[],
  onText: (text: string) => void,
  signal: AbortSignal,
  logger: Logger,
): Promise<Omit<ReplyOutcome, "text">> {
  try {
    signal.throwIfAborted()
    const { usage, model } = await agent.answer({ context, onText, signal })
    return { status: "completed", errorCode: null, usage, model }
  } catch (error) {
    if (error === replyStopped) return { status: "stopped", errorCode: null, usage: null, model: null }
    if (error instanceof ReplyFailure) {
      logger.warn({ code: error.code, reason: error.message }, "reply failed")
      return { status: "failed", errorCode: error.code, usage: null, model: null }
    }
    logger.error({ err: error }, "reply failed unexpectedly")
    return { status: "failed", errorCode: "interrupted", usage: null, model: null }
  }
}
