import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

interface User {
  id: string
  email: string
  password: string
}

/** A letter with a link: where it leads to, and what its code is good for. */
interface Letter {
  email: string
  link: string
}

interface Answer {
  status: number
  body?: unknown
  location?: string
}

/** The part of Supabase's sign-in server that a page needs, over real HTTP, with tokens signed by ES256. */
export class AuthServer {
  readonly publishableKey = "sb_publishable_of_the_tests"
  readonly letters: Letter[] = []
  /** How long its tokens are good for from now on. */
  tokenSeconds = 3_600
  /** Every request so far, such as `POST /token?grant_type=password`. */
  readonly requests: string[] = []
  readonly #users: User[] = []
  readonly #refreshTokens = new Map<string, User>()
  readonly #links = new Map<string, { user: User; challenge: string; redirectTo: string }>()
  readonly #codes = new Map<string, { user: User; challenge: string }>()
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" })
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  static async start(): Promise<AuthServer> {
    const server = new AuthServer()
    server.#server.listen(0, "127.0.0.1")
    await once(server.#server, "listening")
    return server
  }

  /** What `SUPABASE_URL` takes. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  addUser(email: string, password: string): void {
    this.#users.push({ id: randomUUID(), email, password })
  }

  /** Whoever is signed in stays so until the access token ends. */
  forgetRefreshTokens(): void {
    this.#refreshTokens.clear()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, "close")
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const cors = {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "apikey, authorization, content-type, x-client-info, x-supabase-api-version",
      "access-control-allow-methods": "GET, POST",
    }
    const { status, body, location } =
      request.method === "OPTIONS" ? { status: 204 } : await this.#answer(request, await bodyOf(request))
    const headers = { ...cors, ...(location === undefined ? {} : { location }), "content-type": "application/json" }
    response.writeHead(status, headers).end(body === undefined ? "" : JSON.stringify(body))
  }

  async #answer(request: IncomingMessage, body: Record<string, string>): Promise<Answer> {
    const url = new URL(request.url ?? "/", this.url)
    const path = url.pathname.replace(/^\/auth\/v1/, "")
    if (path === "/.well-known/jwks.json") return { status: 200, body: { keys: [this.#publicKey()] } }
    this.requests.push(`${request.method} ${path}${path === "/token" ? url.search : ""}`)
    if (path === "/verify") return this.#followLink(url.searchParams)
    if (request.headers["apikey"] !== this.publishableKey) return { status: 401, body: { message: "No API key found" } }
    if (path === "/token") return this.#token(url.searchParams.get("grant_type") ?? "", body)
    if (path === "/otp") return this.#sendLink(body, url.searchParams.get("redirect_to") ?? "")
    if (path === "/logout") return { status: 204 }
    return { status: 404 }
  }

  #token(grant: string, body: Record<string, string>): Answer {
    if (grant === "password") {
      const user = this.#users.find(({ email, password }) => email === body["email"] && password === body["password"])
      return user === undefined ? refusal("invalid_credentials", "Invalid login credentials") : this.#session(user)
    }
    if (grant === "refresh_token") {
      const used = body["refresh_token"] ?? ""
      const user = this.#refreshTokens.get(used)
      this.#refreshTokens.delete(used)
      return user === undefined ? refusal("refresh_token_not_found", "Invalid Refresh Token") : this.#session(user)
    }
    const code = this.#codes.get(body["auth_code"] ?? "")
    this.#codes.delete(body["auth_code"] ?? "")
    const challenge = createHash("sha256")
      .update(body["code_verifier"] ?? "")
      .digest("base64url")
    if (code === undefined || code.challenge !== challenge) return refusal("bad_code_verifier", "Not this verifier")
    return this.#session(code.user)
  }

  #sendLink(body: Record<string, string>, redirectTo: string): Answer {
    const { email = "", code_challenge: challenge = "" } = body
    if (email.startsWith("flood@")) return refusal("over_email_send_rate_limit", "email rate limit exceeded", 429)
    if (!this.#users.some((user) => user.email === email)) this.addUser(email, randomUUID())
    const user = this.#users.find((one) => one.email === email)
    const token = randomUUID()
    if (user !== undefined) this.#links.set(token, { user, challenge, redirectTo })
    this.letters.push({ email, link: `${this.url}/auth/v1/verify?token=${token}&type=magiclink` })
    return { status: 200, body: {} }
  }

  /** Each link works once. */
  #followLink(query: URLSearchParams): Answer {
    const token = query.get("token") ?? ""
    const link = this.#links.get(token)
    if (link === undefined) return { status: 404 }
    if (link.challenge === "used") {
      const problem =
        "error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired"
      return { status: 303, location: `${link.redirectTo}?${problem}#${problem}` }
    }
    const code = randomUUID()
    this.#codes.set(code, { user: link.user, challenge: link.challenge })
    this.#links.set(token, { ...link, challenge: "used" })
    return { status: 303, location: `${link.redirectTo}?code=${code}` }
  }

  #session(user: User): Answer {
    const refresh_token = randomUUID()
    this.#refreshTokens.set(refresh_token, user)
    const expires_in = this.tokenSeconds
    const expires_at = Math.floor(Date.now() / 1000) + expires_in
    const access_token = this.#sign({
      sub: user.id,
      email: user.email,
      role: "authenticated",
      aud: "authenticated",
      iss: `${this.url}/auth/v1`,
      iat: expires_at - expires_in,
      exp: expires_at,
      session_id: refresh_token,
    })
    const person = { id: user.id, email: user.email, aud: "authenticated", role: "authenticated" }
    return {
      status: 200,
      body: { access_token, token_type: "bearer", expires_in, expires_at, refresh_token, user: person },
    }
  }

  #sign(claims: object): string {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url")
    const signed = `${encode({ alg: "ES256", kid: "one", typ: "JWT" })}.${encode(claims)}`
    const key = { key: this.#keys.privateKey, dsaEncoding: "ieee-p1363" } as const
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`
  }

  #publicKey(): object {
    return { ...this.#keys.publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256", use: "sig" }
  }
}

function refusal(code: string, message: string, status = 400): Answer {
  return { status, body: { code, error_code: code, msg: message, message } }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, string>> {
  let text = ""
  for await (const part of request) text += String(part)
  return text === "" ? {} : JSON.parse(text)
}
