/** What is asked of the model server, which answers the same question always with the same text. */
export interface Question {
  /** Never used twice in a run. */
  readonly text: string
  /** The answer, as the model sends it: one delta each, about 4 characters. */
  readonly tokens: readonly string[]
}

/** How fast an answer comes: at once, or so many tokens a second. */
export type Pace = "burst" | number

/** Mostly plain words, and now and then what a careless reader breaks: quotes, line feeds, accents, emoji. */
const vocabulary = [
  " the| and| you| that| with| this| from| they| will| would| there| their|ing|tion|ment|er|ly|ed| re| un| in| to| of| a",
  ", |. | what| about| which| when| make| like| time| just| know| take| people| into| year| good| some| could| them| see",
  ' other| than| then| now| look| only| come| its| over| think| also|\n\n|"|\\| café| größer|🙂|日本',
].flatMap((line) => line.split("|"))

const asked = /\((\d+) tokens, (burst|\d+)\)$/

/** `label` makes it unlike every other; `tokens` is the length of the answer. */
export function question(label: string, tokens: number, pace: Pace): Question {
  const text = `${label} (${tokens} tokens, ${pace})`
  return { text, tokens: tokensOf(text, tokens) }
}

/** The model server's side. @throws Error when the text is no question of this bench */
export function parseQuestion(text: string): Question & { pace: Pace } {
  const [, tokens, pace] = asked.exec(text) ?? []
  if (tokens === undefined || pace === undefined) throw new Error(`not a question of the bench: ${text.slice(0, 100)}`)
  return { text, tokens: tokensOf(text, Number(tokens)), pace: pace === "burst" ? pace : Number(pace) }
}

function tokensOf(text: string, count: number): string[] {
  let state = seedOf(text)
  return Array.from({ length: count }, () => {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return vocabulary[(state >>> 0) % vocabulary.length]!
  })
}

/** FNV-1a, never 0, from which xorshift would not move. */
function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash === 0 ? 1 : hash
}
