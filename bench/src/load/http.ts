import { Agent, request } from "node:http"
import type { User } from "../servers/sign-in.ts"

export interface HttpAnswer {
  body: string
  /** From the call until the body was there. */
  ms: number
}

export interface HttpCall {
  user?: User
  /** Sent as JSON, by POST; without it it is a GET. */
  body?: object
}

/** A client that keeps its connections. */
export class HttpClient {
  readonly #agent = new Agent({ keepAlive: true })

  /** @throws Error unless the status is 200 or 201 */
  async call(url: string, { user, body }: HttpCall = {}): Promise<HttpAnswer> {
    const startMs = performance.now()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const headers = {
      ...(user && { authorization: `Bearer ${user.token}` }),
      ...(body && { "content-type": "application/json" }),
    }
    const options = { agent: this.#agent, method: body === undefined ? "GET" : "POST", headers }
    const sent = request(url, options, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (part: string) => (text += part))
      response.once("error", reject)
      response.once("end", () => {
        if (response.statusCode === 200 || response.statusCode === 201) resolve(text)
        else reject(new Error(`${options.method} ${url}: ${response.statusCode} ${text.slice(0, 300)}`))
      })
    })
    sent.once("error", reject)
    sent.end(body && JSON.stringify(body))
    return { body: await promise, ms: performance.now() - startMs }
  }

  close(): void {
    this.#agent.destroy()
  }
}
