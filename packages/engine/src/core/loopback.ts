import { BlockList, isIP } from "node:net"

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** Whether a listener bound to this `HOST` is reachable from this machine alone. Only `localhost` is known by name. */
export function isLoopbackBind(host: string): boolean {
  if (host.toLowerCase() === "localhost") return true
  const version = isIP(host)
  return version !== 0 && loopback.check(host, version === 4 ? "ipv4" : "ipv6")
}

const portSuffix = /:(\d{1,5})$/

/**
 * Whether a request's `Host` names this machine: `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port. A page of
 * another site whose name was rebound to 127.0.0.1 still sends its own name (DNS rebinding). Only the spellings that
 * browsers send are known: not `127.1`, not `localhost.`, no name below `localhost`.
 */
export function isLoopbackHost(hostHeader: string | undefined): boolean {
  if (hostHeader === undefined) return false
  const port = portSuffix.exec(hostHeader)?.[1]
  if (port !== undefined && Number(port) > 65_535) return false
  const name = port === undefined ? hostHeader : hostHeader.slice(0, -port.length - 1)
  const address = /^\[([\da-f:]+)\]$/i.exec(name)?.[1]
  return address === undefined ? !name.includes(":") && isLoopbackBind(name) : isLoopbackBind(address)
}
