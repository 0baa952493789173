import { randomBytes, randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { expect } from "vitest"
import { ModelBook } from "../chaos/chaos-model.ts"
import { Device } from "../chaos/device.ts"
import { checkLedger, type Stored, type StoredMessage, type StoredReply } from "../chaos/ledger.ts"
import { type SentMessage, Told } from "../chaos/told.ts"
import { openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import type { TestUser } from "../support/engine.ts"
import type { Node, Nodes } from "../support/nodes.ts"

/** A user of the fleet, with one device or more in one conversation. */
export interface Member {
  user: TestUser
  conversationId: string
  devices: Device[]
  sends: SentMessage[]
}

/** Many users whose devices roam between nodes; what they are told is held against what is stored. */
export class Fleet {
  readonly told = new Told()
  readonly book: ModelBook
  readonly members: Member[] = []
  nodes: Nodes | null = null

  /** @param seed of what the model says */
  constructor(seed: number) {
    this.book = new ModelBook(seed)
    this.book.isCalm = true
  }

  /** A new user, connected to a node. */
  async join(node: Node): Promise<Member> {
    const user = this.nodes!.user(node)
    const member: Member = { user, conversationId: await user.today(), devices: [], sends: [] }
    this.members.push(member)
    this.connect(member, node)
    return member
  }

  /** Another device of the same user. */
  connect({ user, conversationId, devices, sends }: Member, node: Node): Device {
    const events = {
      violate: this.told.violate.bind(this.told),
      count: (what: string) => this.told.count(what),
      ended: this.told.ended.bind(this.told),
      acknowledged: (messageId: string, replyId: string) => {
        const message = sends.find(({ id }) => id === messageId)
        message?.replyIds.add(replyId)
        if (message !== undefined) message.isAcknowledged = true
      },
    }
    const name = `${user.id.slice(0, 8)}/${devices.length}`
    const device = new Device({ name, conversationId, token: user.token, events })
    devices.push(device)
    device.connect(node.url)
    return device
  }

  /** Says something new; false where the device has no connection to say it on. */
  say({ conversationId, devices, sends }: Member): SentMessage {
    const id = randomUUID()
    const content = `mark-${randomBytes(12).toString("hex")}`
    const message: SentMessage = { id, conversationId, content, isAcknowledged: false, replyIds: new Set() }
    sends.push(message)
    this.told.sends.set(id, message)
    devices[0]!.send({ type: "message.send", id, content })
    return message
  }

  /** Every device that has no connection comes back on this node, and what was not acknowledged is said again. */
  comeBack(node: Node): void {
    for (const { devices, sends } of this.members) {
      for (const device of devices) if (device.isOffline) device.connect(node.url)
      for (const { id, content, isAcknowledged } of sends) {
        if (!isAcknowledged) devices.at(-1)!.send({ type: "message.send", id, content })
      }
    }
  }

  /** Comes back until everything was acknowledged, has ended, and was seen by every device. */
  async settle(node: Node, withinMs: number): Promise<void> {
    const isSettled = async () => {
      this.comeBack(node)
      const { messages, replies } = await this.#read()
      const newest = new Map(messages.map(({ conversationId, position }) => [conversationId, position]))
      const hasEnded = replies.every(({ status }) => status !== "queued" && status !== "running")
      const hasSeenAll = ({ isReady, view, conversationId }: Device) =>
        isReady && view.running === null && Math.max(-1, ...view.entries.keys()) === (newest.get(conversationId) ?? -1)
      return hasEnded && this.members.every(({ devices }) => devices.every(hasSeenAll)) && this.isAcknowledged
    }
    await this.until("everything is acknowledged, ended and seen", isSettled, withinMs)
  }

  /** Resolves when each of the replies that run now, whose nodes may be gone, has ended or has begun anew. */
  async goesOn(withinMs: number): Promise<void> {
    const views = this.members.map(({ devices }) => devices[0]!.view)
    const interrupted = views.flatMap((view) => (view.running === null ? [] : { view, ...view.running }))
    const isOver = ({ view, replyId, attempt }: (typeof interrupted)[number]) =>
      view.hasEnded(replyId) || (view.running?.replyId === replyId && view.running.attempt > attempt)
    await this.until("what was interrupted goes on", () => interrupted.every(isOver), withinMs)
  }

  /** Waits for what no event tells. @throws Error that says what did not happen */
  async until(what: string, isSo: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
    const deadlineMs = performance.now() + withinMs
    while (!(await isSo())) {
      if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}; ${this.#state()}`)
      await delay(50)
    }
  }

  get isConnected(): boolean {
    return this.members.every(({ devices }) => devices.every(({ isReady }) => isReady))
  }

  #state(): string {
    const sends = this.members.flatMap(({ sends }) => sends)
    const counts = { sends: sends.length, acknowledged: sends.filter(({ isAcknowledged }) => isAcknowledged).length }
    return JSON.stringify({ ...counts, ...Object.fromEntries(this.told.counts), violations: this.told.violations })
  }

  /** What was told against what is stored, byte for byte. @returns what is stored */
  async expectWhole(): Promise<Stored> {
    const stored = await this.#read()
    const devices = this.members.flatMap(({ devices }) => devices)
    checkLedger({ told: this.told, stored, model: this.book, devices, callsMax: 2 })
    expect(this.told.violations).toEqual([])
    return stored
  }

  leave(): void {
    for (const { devices } of this.members) for (const device of devices) device.drop("terminate")
  }

  get isAcknowledged(): boolean {
    return this.members.every(({ sends }) => sends.every(({ isAcknowledged }) => isAcknowledged))
  }

  /** Past every node, ascending by position. */
  async #read(): Promise<Stored> {
    const database = openServerDatabase(this.nodes!.databaseUrl)
    const messages = await sql<StoredMessage>(
      database,
      `select id, conversation_id as "conversationId", position, role, content from public.messages order by position`,
    )
    const replies = await sql<StoredReply>(
      database,
      `select r.id, r.conversation_id as "conversationId", r.message_id as "messageId", r.position, r.status, r.attempt,
        r.calls, r.error_code as "errorCode", r.input_tokens as "inputTokens", r.output_tokens as "outputTokens",
        r.superseded_by as "supersededBy", m.content as text
      from grizz.replies r left join public.messages m on m.id = r.id order by r.position`,
    )
    await database.close()
    return { messages, replies }
  }
}
