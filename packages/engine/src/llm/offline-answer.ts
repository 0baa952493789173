import type { ModelMessage } from "../ports.ts"

const quoteMaxCharacters = 80

const howToConnect =
  "To give me a real mind, set `OPENAI_API_KEY` (or `OPENAI_BASE_URL` for any OpenAI-compatible server) and start me again."

/** Answers to an ordinary message; each says that it is a stand-in. `{quote}` is a piece of what the user wrote. */
const answers = [
  `Hello, I'm Grizz, or rather the **offline stand-in** for him: no language model is connected, so what you read was written in advance.

You said “{quote}”, and it reached me safely. I only can't think about it yet.

${howToConnect}`,
  `“{quote}”. I heard you.

I'd like to answer that properly, but I'm **offline**: this is a canned reply and no model has read your message.

- Your message is stored, and so is this answer.
- Close the page and come back: both will still be here.
- ${howToConnect}`,
  `Good to hear from you. Honesty first, though: I'm the **offline model**, a handful of prepared sentences and no understanding behind them.

> {quote}

That is what you wrote. With a model connected I would now ask you something about it.

${howToConnect}`,
  `I'm here, but **offline**. There is no real model behind this answer; it is a stand-in to try the engine with.

What you wrote, “{quote}”, went through sign-in, the database and the stream just as it would with a model.

${howToConnect}

*Ask me for a story if you want to watch a longer answer come in.*`,
]

const storyParts = [
  `You asked for something long (“{quote}”), so here is a **prepared story**. I'm offline: no model is connected, and these words are the same for everyone.`,
  `## The bear who kept a ledger

High above the tree line lived a bear who wrote everything down. When the snow came, it went into the ledger. When a jay brought news from the valley, that went in too, with the day and the hour.`,
  `The other animals found it funny. “Why write it,” said the fox, “when you could simply remember?”

“Because I sleep,” said the bear. “All winter long, and deeply. What is only in my head is gone in spring.”`,
  `So he had rules, and he kept them:

1. Write it down **before** you say that you have heard it.
2. Write it down **once**, even when the jay tells it twice.
3. When you stop in the middle, leave a mark where you stopped.`,
  `One night a storm took the roof of his den in the middle of a sentence. The candle went out, and the fox thought: now it is lost.

In the morning the bear swept the snow from the page, found his mark, and wrote on from the very next letter.`,
  `The fox looked at it for a long while. Then she asked, quietly, whether there was a page left for her.

There was. There always is.`,
  `*The end.* ${howToConnect}`,
]

/** The offline model's answer: the same messages give the same text, byte for byte. */
export function offlineAnswer(messages: readonly ModelMessage[]): string {
  const said = messages.findLast((message) => message.role === "user")?.content ?? ""
  const quote = quoteOf(said)
  if (/\b(story|long)\b/i.test(said)) return storyParts.join("\n\n").replaceAll("{quote}", () => quote)
  const answer = answers[checksum(messages) % answers.length] ?? ""
  return answer.replaceAll("{quote}", () => quote)
}

/** A piece of what the user wrote, on one line and without what a page could take for markup. */
function quoteOf(said: string): string {
  const plain = said
    .toWellFormed()
    .replace(/[\p{Cc}\p{Z}\p{Bidi_Control}]+/gu, " ")
    .replace(/[<>[\]()*_#|`~\\{}“”]/g, "")
    .trim()
  const characters = [...new Intl.Segmenter("en", { granularity: "grapheme" }).segment(plain.slice(0, 2000))]
  const short = characters.slice(0, quoteMaxCharacters).map(({ segment }) => segment)
  if (short.length === 0) return "…"
  return characters.length > quoteMaxCharacters ? `${short.join("").trimEnd()}…` : short.join("")
}

/** FNV-1a over the conversation without the system prompt, so that an edited persona does not change the answers. */
function checksum(messages: readonly ModelMessage[]): number {
  let hash = 0x811c9dc5
  const said = messages.filter((message) => message.role !== "system")
  for (const byte of Buffer.from(JSON.stringify(said.map(({ role, content }) => [role, content])))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  }
  return hash
}

/** A text cut into pieces about as long as a model's tokens; joined, they are the text. */
export function tokensOf(text: string): string[] {
  return text.match(/\s*[^\s]{1,8}|\s+/gu) ?? []
}
