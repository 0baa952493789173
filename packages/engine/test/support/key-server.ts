import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { JWK } from "jose"

export interface KeyServer {
  /** The project's URL, as `SUPABASE_URL` names it. */
  url: string
  /** Paths that were asked for, in order. */
  requests: string[]
  /** Decides how every later request is answered. */
  answer: (listener: RequestListener) => void
  /** Answers with these keys from now on. */
  publish: (keys: JWK[]) => void
  close: () => Promise<void>
}

/** A real HTTP server on loopback in the place of a Supabase project's key set; it publishes no key at first. */
export async function startKeyServer(port = 0): Promise<KeyServer> {
  let listener: RequestListener = json({ keys: [] })
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? "")
    listener(request, response)
  })
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the key server has no port")
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    answer: (next) => {
      listener = next
    },
    publish: (keys) => {
      listener = json({ keys })
    },
    close: async () => {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, "close")
    },
  }
}

function json(body: unknown): RequestListener {
  return (_request, response) => response.setHeader("content-type", "application/json").end(JSON.stringify(body))
}
