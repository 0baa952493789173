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
