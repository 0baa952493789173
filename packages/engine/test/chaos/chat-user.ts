import { randomBytes, randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { Device } from "./device.ts"
import type { ViewEvents } from "./device-view.ts"
import { PlainDevice } from "./plain-device.ts"
import type { Random } from "./random.ts"
import type { SentMessage, Told } from "./told.ts"

export interface ChatUserOptions {
  name: string
  token: string
  conversationId: string
  random: Random
  told: Told
  /** Nodes that a device may connect to. */
  nodeUrls: readonly string[]
}

/** Replies of one conversation under way beyond which its user waits. */
const openMax = 3

/** A user with one to three devices and, some of them, a client of the first engine. */
export class ChatUser {
  readonly devices: Device[]
  readonly plain: PlainDevice | null
  readonly #options: ChatUserOptions
  /** Sent, and not acknowledged yet. */
  readonly #pending = new Map<string, SentMessage>()
  readonly #acknowledged: SentMessage[] = []

  constructor(options: ChatUserOptions) {
    this.#options = options
    const { name, random, conversationId, token } = options
    const events = this.#events()
    this.devices = Array.from(
      { length: random.integer(1, 3) },
      (_, index) => new Device({ name: `${name}/${index + 1}`, conversationId, token, events }),
    )
    this.plain = random.chance(0.5) ? new PlainDevice(`${name}/plain`) : null
  }

  /** Messages that no device has seen acknowledged. */
  get unacknowledged(): number {
    return this.#pending.size
  }

  /** Behaves as users do, until the signal; then its devices stay as they are. */
  async live(signal: AbortSignal): Promise<void> {
    const { random } = this.#options
    while (!signal.aborted) {
      for (const device of this.devices) if (device.isOffline && random.chance(0.7)) this.#connect(device)
      this.#act(random.next())
      await delay(random.between(100, 1000), undefined, { signal }).catch(() => undefined)
    }
  }

  /** Says again what was not acknowledged, and connects whatever is offline. */
  settle(): void {
    for (const device of this.devices) if (device.isOffline) this.#connect(device)
    for (const message of this.#pending.values()) this.#repeat(message)
  }

  leave(): void {
    for (const device of this.devices) device.drop("close")
    this.plain?.drop()
  }

  #act(draw: number): void {
    const { random, told } = this.#options
    const device = random.pick(this.devices)
    if (draw < 0.4) this.#say(device)
    else if (draw < 0.55) this.#repeatOne()
    else if (draw < 0.6) this.#stop(device)
    else if (draw < 0.64) this.#retry(device)
    else if (draw < 0.74) {
      told.count("sockets dropped")
      device.drop(random.pick(["close", "terminate"]))
    } else if (draw < 0.77) {
      told.count("slow readings")
      device.pause(random.between(500, 5000))
    } else if (draw < 0.78) {
      device.drop("terminate")
      device.view.forget()
    } else if (draw < 0.88) this.#sayPlain()
  }

  #connect(device: Device): void {
    device.connect(this.#options.random.pick(this.#options.nodeUrls))
  }

  #say(device: Device): void {
    const { told, conversationId } = this.#options
    if (this.#open() >= openMax) return
    const id = randomUUID()
    const message: SentMessage = {
      id,
      conversationId,
      content: this.#content(),
      isAcknowledged: false,
      replyIds: new Set(),
    }
    if (!device.send({ type: "message.send", id, content: message.content })) return
    told.count("sends")
    told.sends.set(id, message)
    this.#pending.set(id, message)
  }

  #sayPlain(): void {
    const { random, told, token, conversationId, nodeUrls } = this.#options
    if (this.plain === null) return
    if (this.plain.isOffline) {
      const url = random.pick(nodeUrls).replace("http", "ws")
      this.plain.connect(`${url}/ws/chat/${conversationId}?token=${token}`)
    } else if (random.chance(0.2)) this.plain.drop()
    else if (this.#open() < openMax && this.plain.send(this.#content())) told.count("plain sends")
  }

  #repeatOne(): void {
    const { random } = this.#options
    const pending = [...this.#pending.values()]
    if (pending.length > 0) this.#repeat(random.pick(pending))
    // Also what was acknowledged long ago.
    else if (this.#acknowledged.length > 0) this.#repeat(random.pick(this.#acknowledged))
  }

  #repeat({ id, content }: SentMessage): void {
    const { random, told } = this.#options
    if (random.pick(this.devices).send({ type: "message.send", id, content })) told.count("repeats")
  }

  #stop(device: Device): void {
    const open = this.#acknowledged.flatMap(({ replyIds }) => [...replyIds]).filter((id) => !this.#hasEnded(id))
    if (open.length === 0) return
    const { random, told } = this.#options
    if (device.send({ type: "reply.stop", reply_id: random.pick(open) })) told.count("stops")
  }

  #retry(device: Device): void {
    const newest = device.view.endedReplies.at(-1)
    if (newest === undefined || this.#open() > 0) return
    if (device.send({ type: "reply.retry", reply_id: newest })) this.#options.told.count("retries")
  }

  /** Messages under way, as far as this user's devices know. */
  #open(): number {
    const recent = this.#acknowledged.slice(-openMax * 2)
    const waiting = recent.filter(({ replyIds }) => [...replyIds].some((id) => !this.#hasEnded(id)))
    return this.#pending.size + waiting.length
  }

  #hasEnded(replyId: string): boolean {
    return this.#options.told.ends.has(replyId) || this.devices.some(({ view }) => view.hasEnded(replyId))
  }

  #content(): string {
    const { random } = this.#options
    const padding = "tell me more, please 🐻 ".repeat(random.integer(0, random.chance(0.05) ? 400 : 6))
    return `mark-${randomBytes(12).toString("hex")} ${padding}`
  }

  #events(): ViewEvents {
    const { told } = this.#options
    return {
      violate: (kind, detail) => told.violate(kind, detail),
      count: (what) => told.count(what),
      ended: (replyId, end) => told.ended(replyId, end),
      acknowledged: (messageId, replyId) => {
        const message = told.sends.get(messageId)
        // A message of a plain socket has an id of the engine's own.
        if (message === undefined) return
        message.replyIds.add(replyId)
        if (message.isAcknowledged) return
        message.isAcknowledged = true
        told.onStored(messageId)
        told.count("acknowledgements")
        this.#pending.delete(messageId)
        this.#acknowledged.push(message)
      },
    }
  }
}
