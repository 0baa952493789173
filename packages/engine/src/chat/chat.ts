import { createInterface } from "node:readline"
import { GrizzClient } from "@grizz/client"
import { chatUsage, ChatUsageError, parseChatOptions } from "./chat-options.ts"
import { Dialogue, isQuiet } from "./dialogue.ts"
import { Prompt } from "./prompt.ts"
import { Screen } from "./screen.ts"
import { signIn } from "./sign-in.ts"
import { terminalText } from "../core/terminal-text.ts"
import { Transcript } from "./transcript.ts"

/** How many of the messages that were there before a terminal shows. */
const earlierMax = 6

/** Ctrl-C under npm arrives twice; within this time it is one, in ms. */
const sameInterruptMs = 500

/** A chat in the terminal, or of what comes from a pipe. What goes wrong is said in a sentence, and by the exit code. */
export async function chat(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    process.exitCode = await talk(args, env)
  } catch (error) {
    process.stderr.write(`${terminalText(error instanceof Error ? error.message : String(error))}\n`)
    process.exitCode = error instanceof ChatUsageError ? 2 : 1
  }
}

async function talk(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = parseChatOptions(args, env)
  if (options.isHelp) {
    process.stdout.write(`${chatUsage}\n`)
    return 0
  }
  const { conversationId } = options
  const client = new GrizzClient({ url: options.url, token: await signIn(options) })
  const screen = new Screen()
  const isTerminal = process.stdin.isTTY
  const transcript = new Transcript({
    page: screen,
    streams: process.stdout.isTTY,
    earlierMax: isTerminal ? earlierMax : 0,
  })
  const open = () => (conversationId === undefined ? client.today() : client.conversation(conversationId))
  const dialogue = new Dialogue(open, transcript, screen)
  onInterrupt(() => dialogue.interrupt())
  // Whoever read the answers is gone, as `head` when it has enough.
  process.stdout.on("error", () => process.exit(0))
  try {
    const isGood = isTerminal ? await converse(dialogue, screen) : await answerAll(dialogue)
    const { error } = dialogue.conversation.state.connection
    if (error !== null) screen.notice(terminalText(error.message))
    return isGood && error === null ? 0 : 1
  } finally {
    dialogue.conversation.close()
  }
}

function onInterrupt(interrupt: () => void): void {
  let lastMs = Number.NEGATIVE_INFINITY
  process.on("SIGINT", () => {
    const isSame = performance.now() - lastMs < sameInterruptMs
    lastMs = performance.now()
    if (!isSame) interrupt()
  })
}

/** Until the user leaves. */
async function converse(dialogue: Dialogue, screen: Screen): Promise<boolean> {
  const prompt = new Prompt(process.stdout.isTTY ? process.stdout : process.stderr, (line, isSeen) => {
    try {
      dialogue.say(line, isSeen)
    } catch (error) {
      screen.notice(error instanceof Error ? error.message : String(error))
    }
    settle()
  })
  const settle = () => {
    const { state } = dialogue.conversation
    if (isQuiet(state) && state.conversation !== null) prompt.show()
    else prompt.hide()
  }
  screen.prompt = prompt
  prompt.on("SIGINT", () => dialogue.interrupt())
  prompt.on("close", () => dialogue.leave())
  dialogue.listen(settle)
  settle()
  await dialogue.left
  dialogue.listen(() => {})
  prompt.close()
  screen.end()
  return true
}

/** One line after the other, each when the one before is answered. False when one was not. */
async function answerAll(dialogue: Dialogue): Promise<boolean> {
  const leaving = new AbortController()
  void dialogue.left.then(() => leaving.abort())
  let isGood = true
  for await (const line of createInterface({ input: process.stdin, signal: leaving.signal })) {
    const id = dialogue.say(line, true)
    if (leaving.signal.aborted) break
    const state = await Promise.race([dialogue.conversation.until(isQuiet), dialogue.left])
    if (state === undefined) break
    const message = state.messages.find((one) => one.id === id)
    const answer = state.messages.find(
      ({ role, position }) => role === "assistant" && position > (message?.position ?? Infinity),
    )
    if (id !== null && answer?.status !== "completed") isGood = false
  }
  return isGood
}
