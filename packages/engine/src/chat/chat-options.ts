import { parseArgs } from "node:util"

export const chatUsage = `Usage: grizz chat

  --url URL          where the engine is; http://127.0.0.1:8000 when left out
  --token TOKEN      a user's access token, in sight of all who list this machine's processes; GRIZZ_TOKEN in the
                     environment is better. Without either, one for development, where the engine offers it
  --conversation ID  today's when left out

Reads lines from the terminal or from a pipe. In a terminal Ctrl-C stops the answer, and leaves when there is none.
  /stop  /retry  /quit  /help    a line that begins with // is sent with one of the two`

export interface ChatOptions {
  url: string
  token: string | undefined
  conversationId: string | undefined
  isHelp: boolean
}

export class ChatUsageError extends Error {}

/** @throws ChatUsageError, which repeats no value: one of them may be a token */
export function parseChatOptions(args: string[], env: NodeJS.ProcessEnv): ChatOptions {
  try {
    const { values } = parseArgs({
      args,
      options: {
        url: { type: "string", default: "http://127.0.0.1:8000" },
        token: { type: "string" },
        conversation: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    })
    const url = URL.canParse(values.url) ? new URL(values.url) : null
    if (url === null || !["http:", "https:"].includes(url.protocol)) throw new TypeError("no URL")
    // Set but empty is as good as absent.
    const token = values.token ?? (env["GRIZZ_TOKEN"] || undefined)
    return { url: values.url, token, conversationId: values.conversation, isHelp: values.help }
  } catch {
    throw new ChatUsageError(chatUsage)
  }
}
