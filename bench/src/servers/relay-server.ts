// The floor, as a process of its own: each text frame is asked of the model, each of its deltas is a text frame, and an
// empty one is the end. No database, no sign-in, no memory. To `GET /?bytes=N` it answers N bytes.
// Arguments: the port, the model's base URL.
import { Agent, createServer, type IncomingMessage, request } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"

interface Chunk {
  choices: { delta: { content?: string } }[]
}

const [, , port, baseUrl] = process.argv
const agent = new Agent({ keepAlive: true })
const options = { method: "POST", agent, headers: { "content-type": "application/json" } }

function ask(socket: WebSocket, content: string): void {
  const call = request(`${baseUrl}/chat/completions`, options, (response) => forward(response, socket))
  call.on("error", () => socket.terminate())
  call.end(JSON.stringify({ model: "bench", messages: [{ role: "user", content }], stream: true }))
}

function forward(response: IncomingMessage, socket: WebSocket): void {
  let rest = ""
  response.setEncoding("utf8")
  response.on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue
      const data = line.slice("data: ".length)
      if (data === "[DONE]") {
        socket.send("")
        continue
      }
      const chunk: Chunk = JSON.parse(data)
      const content = chunk.choices[0]?.delta.content
      if (content) socket.send(content)
    }
  })
}

const http = createServer((call, response) => {
  const bytes = Number(new URL(call.url ?? "/", "http://relay").searchParams.get("bytes") ?? 0)
  response.writeHead(200, { "content-type": "application/json" })
  response.end("x".repeat(bytes))
})
const sockets = new WebSocketServer({ server: http })
sockets.on("connection", (socket) => {
  socket.on("error", () => socket.terminate())
  socket.on("message", (data: Buffer) => ask(socket, data.toString()))
})
http.listen(Number(port), "127.0.0.1", () => process.send?.("ready"))
