import type { Memory, MemoryKind, ReplyUsage, UsedContext } from "./domain.ts"

export interface MemoryPageRequest {
  limit: number
  /** The last memory of the previous page. */
  before?: { createdAt: string; id: string } | undefined
  /** Only those that hold this text, in whatever case as far as the database's locale knows of cases. */
  text?: string | undefined
  superseded: boolean
}

/** A memory as a prompt shows it. */
export interface RememberedMemory {
  id: string
  kind: MemoryKind
  text: string
  isPinned: boolean
  /** Calendar day `YYYY-MM-DD` in UTC from which on it holds; a summary's own day. */
  since: string
}

/** An earlier message as a prompt shows it. */
export interface Quote {
  id: string
  role: "user" | "assistant"
  text: string
  /** Calendar day `YYYY-MM-DD` in the zone of the conversation that it is quoted in. */
  day: string
  createdAt: string
}

/** A quote, and how well it goes with what is asked: to be compared within one list only. */
export interface FoundQuote extends Quote {
  score: number
}

/** How many quotes at most, how much of each, and of all by words together, in characters. */
export interface QuoteLimits {
  quotes: number
  quoteLength: number
  totalLength: number
}

/** What a reply is made with, beside its conversation. */
export interface Remembered {
  /** Pinned ones first, in order of time: what is new comes last. */
  memories: RememberedMemory[]
  /** Best first. */
  quotes: Quote[]
  /** Calendar day `YYYY-MM-DD` on which the message was sent, in the conversation's zone; null where nothing is looked for. */
  today: string | null
}

/** What is about to be answered. */
export interface Occasion {
  conversationId: string
  /** Position of the message that is to be answered. */
  position: number
  /** How many messages of the conversation the prompt has anyway, the newest ones up to that one, which is counted in. */
  window: number
}

/** Never rejects and never takes long: nothing is remembered then. An abort ends the wait. `question` is the message's text. */
export type Recollect = (occasion: Occasion, question: string, signal: AbortSignal) => Promise<Remembered>

/** What is known of a user. Someone else's memory is as absent as a missing one. */
export interface MemoryStore {
  /** Newest first by `(createdAt, id)`. */
  list(userId: string, request: MemoryPageRequest): Promise<Memory[]>
  addNote(userId: string, note: { id: string; text: string; isPinned: boolean }): Promise<Memory>
  /** Another text makes a memory of the given id, which supersedes; `superseded` when that happened before. Null changes nothing. */
  correct(
    userId: string,
    memoryId: string,
    change: { id: string; text: string | null; isPinned: boolean | null },
  ): Promise<Memory | "superseded" | null>
  /** Takes along all that it superseded. True when there was one. */
  forget(userId: string, memoryId: string): Promise<boolean>
  /**
   * For a prompt, of the conversation's user: the memories that hold, pinned, then the newest; and what was said before the
   * window, in any conversation, that goes with the message by its words, best first. Nothing while the memory is paused.
   */
  recollect(occasion: Occasion, limits: QuoteLimits): Promise<Remembered & { quotes: FoundQuote[] }>
  isPaused(userId: string): Promise<boolean>
  setPaused(userId: string, isPaused: boolean): Promise<void>
}

/** One conversation that something is to be derived of, claimed by this node for a while. */
export interface DerivationJob {
  claimId: string
  conversationId: string
  userId: string
  kind: "facts" | "summary"
  /** Calendar day `YYYY-MM-DD`; null outside the calendar. */
  day: string | null
  /** The highest position that was gone through; -1 where none was. */
  position: number
  /** The highest position there was when it was claimed. */
  until: number
  /** From 1. */
  attempt: number
  isPaused: boolean
}

export interface TranscriptLine {
  id: string
  position: number
  role: "user" | "assistant"
  content: string
  createdAt: string
}

export interface DerivedMemory {
  id: string
  text: string
  /** Messages of the job's conversation, each once. */
  sources: string[]
  supersedes: string | null
}

/** Jobs that derive memories: one per conversation and kind, each with one node at a time. */
export interface DerivationStore {
  /** Makes jobs of the conversations in which nothing was said for so long. */
  schedule(quietSeconds: number): Promise<void>
  /** One that is due, or whose node is gone; null when there is none. */
  claim(claimId: string, leaseSeconds: number): Promise<DerivationJob | null>
  /** The messages above a position, ascending, each cut to a length; empty where superseded, or said during a pause. */
  transcript(
    job: DerivationJob,
    after: number,
    limits: { messages: number; messageLength: number },
  ): Promise<TranscriptLine[]>
  knownFacts(userId: string, limit: number): Promise<{ id: string; text: string }[]>
  /** Counts one model call; false, and not counted, when the day's budget is spent. */
  spendCall(userId: string, budget: { calls: number; tokens: number }): Promise<boolean>
  spendTokens(userId: string, tokens: number): Promise<void>
  /**
   * How many were stored: none when the job is another node's by now or the user has paused; one is left out when a source
   * of it was erased. One that holds already in the same words gains the sources.
   */
  save(job: DerivationJob, memories: DerivedMemory[], version: string): Promise<number>
  /** Done up to a position; where more was said it is due again after so long. */
  end(job: DerivationJob, position: number, againSeconds: number): Promise<void>
  /** @param counts whether this try counts as one of the job's attempts */
  postpone(job: DerivationJob, seconds: number, counts: boolean): Promise<void>
}

/** Texts that are to have a vector. */
export interface EmbeddingBatch {
  /** Of the model in use; a vector of another one is not stored. */
  generation: number
  texts: { id: string; text: string; hash: string }[]
  isMore: boolean
}

/** Where a question points, by a model. */
export interface QuestionVector {
  model: string
  vector: number[]
}

/** Vectors of what was said: one worker at a time makes them, of one model. */
export interface EmbeddingStore {
  /** Whether that model is the one in use, and the database can hold vectors. */
  isInUse(model: string): Promise<boolean>
  /** Null where there is nothing to do, another node is at it, or the model is another one by now. Texts are cut to `textLength`. */
  claim(
    owner: string,
    model: string,
    limits: { texts: number; textLength: number; leaseSeconds: number },
  ): Promise<EmbeddingBatch | null>
  /** One vector for each text of the batch, or null for one that can have none. */
  save(owner: string, batch: EmbeddingBatch, vectors: (number[] | null)[]): Promise<void>
  /**
   * What was said before the window that is much nearer to the vector than the rest, nearest first, with a score up to 1.
   * Nothing while the memory is paused, or where the vector is not of the model in use.
   */
  nearest(occasion: Occasion, question: QuestionVector, limits: QuoteLimits): Promise<FoundQuote[]>
  /** Makes, or removes, one index of a user with very many vectors, which may take long; false where there is none to do. */
  tendIndex(): Promise<boolean>
}

/** A message that a prompt had; `content` is null where it was erased since. */
export interface PromptMessage {
  role: "user" | "assistant" | null
  content: string | null
  createdAt: string | null
}

/** What a reply was made of, as far as it is still stored. */
export interface ReplyOrigin {
  replyId: string
  conversationId: string
  status: string
  model: string | null
  usage: ReplyUsage | null
  createdAt: string
  /** Null where it is not recorded: an older reply, one that was ended without its owner, or one that was erased. */
  used: UsedContext | null
  /** The last messages of the conversation up to the answered one, ascending; that one is the last. */
  window: PromptMessage[]
  /** Calendar day on which the answered message was sent, in the conversation's zone; null where that message is gone. */
  today: string | null
  /** By id; those that are gone are not in it. */
  memories: Map<string, RememberedMemory>
  quotes: Map<string, Quote>
}

/** For whoever runs the engine: of any user's replies. */
export interface ReplyOriginStore {
  /** @param contextMessages how many messages a prompt has where that is not recorded */
  find(replyId: string, contextMessages: number): Promise<ReplyOrigin | null>
}

/** What was said, by its words. It is filled in the background, by one node at a time. */
export interface MessageIndex {
  /** Indexes some of the messages that are new or were there before; true while there may be more. */
  indexNext(): Promise<boolean>
}

/** A model that answers in a given form, for work in the background. */
export interface StructuredModel {
  /** One call. The text may be anything: whoever asks validates it. @throws ChatError `unavailable` */
  ask(request: {
    name: string
    system: string
    /** What is to be worked on. */
    data: string
    jsonSchema: Record<string, unknown>
    maxOutputTokens: number
    signal: AbortSignal
  }): Promise<{ text: string; tokens: number | null }>
}

/** A model that gives texts a direction: what means the same points the same way. */
export interface Embedder {
  readonly model: string
  /**
   * One vector a text, in their order, each of length 1 and all of one dimension. One call.
   * @throws ChatError `invalid_request` where the texts are refused, as one that is too long is; else `unavailable`
   */
  embed(texts: string[], signal: AbortSignal): Promise<number[][]>
}
