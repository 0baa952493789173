import { generateKeyPairSync, randomBytes, sign } from "node:crypto"

/** Tags of DER (X.690). */
const [INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8_STRING, UTC_TIME, SEQUENCE, SET] = [
  2, 3, 4, 6, 12, 23, 48, 49,
] as const
const context = (tag: number) => 0xa0 + tag
const contextPrimitive = (tag: number) => 0x80 + tag

const ecdsaWithSha256 = Buffer.from("2a8648ce3d040302", "hex")
const commonName = Buffer.from("550403", "hex")
const subjectAltName = Buffer.from("551d11", "hex")

/** A key and a certificate (RFC 5280) for `localhost` and 127.0.0.1, made for one run and valid for an hour. */
export function selfSigned(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const algorithm = der(SEQUENCE, der(OID, ecdsaWithSha256))
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, der(OID, commonName), der(UTF8_STRING, Buffer.from("localhost")))))
  const names = der(
    SEQUENCE,
    der(contextPrimitive(2), Buffer.from("localhost")),
    der(contextPrimitive(7), Buffer.from([127, 0, 0, 1])),
  )
  const content = der(
    SEQUENCE,
    der(context(0), der(INTEGER, Buffer.from([2]))),
    // Positive: the first byte is below 128, and not 0.
    der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    der(SEQUENCE, utcTime(Date.now() - 60_000), utcTime(Date.now() + 3_600_000)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(context(3), der(SEQUENCE, der(SEQUENCE, der(OID, subjectAltName), der(OCTET_STRING, names)))),
  )
  const signature = der(BIT_STRING, Buffer.from([0]), sign("sha256", content, privateKey))
  const base64 = der(SEQUENCE, content, algorithm, signature).toString("base64")
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
  }
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, "").slice(2, 14)
  return der(UTC_TIME, Buffer.from(`${digits}Z`))
}
