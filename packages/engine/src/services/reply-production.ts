import type { ChatAgent } from "../agents/chat-agent.ts"
import { ChatError, ReplyFailure } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import type { UsedContext } from "../domain.ts"
import type { ReplyWriter } from "../live-ports.ts"
import type { ReplyOutcome } from "../ports.ts"

/** The reason for which a production is aborted when its user, or whoever may, stopped the reply. */
export const replyStopped = new ChatError("interrupted", "The reply was stopped.")

/**
 * Runs the model into the reply's text. Whatever happens, there is an outcome, and this never rejects; null when the
 * production was aborted for another reason than a stop: then the reply is not this node's to end.
 */
export async function produceReply(
  agent: ChatAgent,
  asked: Pick<Parameters<ChatAgent["answer"]>[0], "conversationId" | "position" | "context" | "recollects">,
  writer: Pick<ReplyWriter, "text" | "append">,
  signal: AbortSignal,
  logger: Logger,
): Promise<ReplyOutcome | null> {
  const startedAtMs = performance.now()
  let firstTextMs: number | null = null
  const onText = (text: string) => {
    firstTextMs ??= performance.now() - startedAtMs
    writer.append(text)
  }
  let used: UsedContext | null = null
  const onPrompt = (prompt: UsedContext) => {
    used = prompt
  }
  const outcome = await answer(agent, { ...asked, onPrompt, onText, signal }, logger)
  if (outcome === null) return null
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
    "reply produced",
  )
  return { ...outcome, text: writer.text, used }
}

async function answer(
  agent: ChatAgent,
  request: Parameters<ChatAgent["answer"]>[0],
  logger: Logger,
): Promise<Omit<ReplyOutcome, "text" | "used"> | null> {
  const { signal } = request
  try {
    signal.throwIfAborted()
    const { usage, model } = await agent.answer(request)
    return { status: "completed", errorCode: null, usage, model }
  } catch (error) {
    if (error === replyStopped) return { status: "stopped", errorCode: null, usage: null, model: null }
    if (signal.aborted && error === signal.reason) return null
    if (error instanceof ReplyFailure) {
      logger.warn({ code: error.code, reason: error.message }, "reply failed")
      return { status: "failed", errorCode: error.code, usage: null, model: null }
    }
    logger.error({ err: error }, "reply failed unexpectedly")
    return { status: "failed", errorCode: "interrupted", usage: null, model: null }
  }
}
