const mark = "[redacted]"

const secretNames =
  "(?:token|ticket|api[_-]?key|secret|passw(?:or)?d|pwd|jwt|authorization|credentials?|signature|cookie)"

// Every repetition below has a bound: the text may be an attacker's, and is searched on the main thread.
const patterns: readonly (readonly [RegExp, string])[] = [
  // A database's password may hold an unencoded @ or /, so here everything up to the last @ goes.
  [/\b((?:postgres(?:ql)?|rediss?):\/\/[^\s:/?#@"'\\]{0,256}:)[^\s"'\\]{0,1024}@/gi, `$1${mark}@`],
  [/([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/?#@"'\\]{0,256}:)[^\s/?#@"'\\]{0,1024}@/gi, `$1${mark}@`],
  [/eyJ[\w-]{6,}(?:(?:\.|%2e)[\w-]*)*/gi, mark],
  [/\b(bearer|basic)(?:\s|%20|\+){1,8}[\w.~+/=-]{12,}/gi, `$1 ${mark}`],
  [/\bsk-[\w-]{8,}|\bsb_secret_[\w-]+|\bsbp_[\w-]{8,}/gi, mark],
  [new RegExp(`(${secretNames}\\s{0,4}=\\s{0,4})[^\\s"'\\\\&<>]+`, "gi"), `$1${mark}`],
  // A JSON member whose value is a string, and the same inside a string of JSON.
  [new RegExp(`("[\\w-]{0,40}${secretNames}"\\s{0,4}:\\s{0,4}")(?:[^"\\\\]|\\\\.)*`, "gi"), `$1${mark}`],
  [new RegExp(`(\\\\"[\\w-]{0,40}${secretNames}\\\\"\\s{0,4}:\\s{0,4}\\\\")[^"\\\\]*`, "gi"), `$1${mark}`],
]

/** The text without what looks like a secret: tokens, keys, passwords in URLs. A line of JSON stays valid JSON. */
export function redactText(text: string): string {
  return patterns.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text)
}

/** `q` is what a user searches for. */
const secretParameter = new RegExp(`(?:${secretNames}[\\w.[\\]-]{0,64}|(?:^|[?&])q)\\s{0,8}=`, "i")
const maxDecodings = 8

/**
 * The URL without the values of its secret parameters (`token`, `ticket`, `access_token` …), however their names are
 * encoded. Made for a log: a parameter that had a secret is written decoded.
 */
export function redactUrl(url: string): string {
  // A value goes on to the next raw `&`; another delimiter in it, raw or encoded, is part of the secret.
  return redactText(url.split("&").map(redactParameter).join("&"))
}

function redactParameter(parameter: string): string {
  const decoded = decodeFully(parameter)
  if (decoded === null) return mark
  const found = secretParameter.exec(decoded)
  if (found === null) return parameter
  const kept = decoded.slice(0, found.index + found[0].length)
  return encodeURI(kept.toWellFormed()) + mark
}

/** Null for what is encoded more often than any client does: nobody can say what it holds. */
function decodeFully(text: string): string | null {
  let decoded = text.replaceAll("+", " ")
  for (let round = 0; round < maxDecodings; round += 1) {
    const next = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    if (next === decoded) return decoded
    decoded = next
  }
  return null
}

/** Like `redactText`, and these secrets too, wherever and however they are quoted. Those under 12 characters are left. */
export function redactorOf(secrets: readonly string[]): (text: string) => string {
  const spellings = secrets
    .filter((secret) => secret.length >= 12)
    .flatMap((secret) => [secret, encodeURIComponent(secret.toWellFormed()), JSON.stringify(secret).slice(1, -1)])
  const literals = [...new Set(spellings)].sort((one, other) => other.length - one.length)
  return (text) => redactText(literals.reduce((result, literal) => result.replaceAll(literal, mark), text))
}
