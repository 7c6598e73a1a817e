// Addresses of the gateway's own network, which nobody's ETL may be fetched from unless its very host is allowed.

import { type LookupAddress, lookup } from 'node:dns'
import { lookup as resolve } from 'node:dns/promises'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { loadFailed } from './address.ts'

/** Apart, since an IPv4 address would be found in ::ffff:0:0/96. */
const privateIpv4 = new BlockList()
const privateIpv6 = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  privateIpv4.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  privateIpv6.addSubnet(network, prefix, 'ipv6')
}

/** Loopback, link-local, private and reserved networks; an IPv4 address in an IPv6 one counts as private. */
export function isPrivateAddress(address: string): boolean {
  return isIP(address) === 6 ? privateIpv6.check(address, 'ipv6') : privateIpv4.check(address, 'ipv4')
}

export class PrivateAddressError extends Error {}

/** Resolves names for the connection itself, so that no second look-up can answer otherwise. */
export const lookupPublic: LookupFunction = (name, options, callback) => {
  lookup(name, { ...options, all: true }, (error, found: LookupAddress[]) => {
    const addresses = found ?? []
    const refused = addresses.find(({ address }) => isPrivateAddress(address))
    if (error) callback(error, '', 0)
    else if (refused !== undefined) callback(new PrivateAddressError(name), '', 0)
    else if (options.all) callback(null, addresses)
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family ?? 0)
  })
}

export function refusePrivate(host: string, publicPath: string): never {
  throw loadFailed(
    publicPath,
    `${host} is a private address of the gateway's own network; whoever runs the gateway allows it by naming that very host in ETL_SOURCES`,
    { why: 'FORBIDDEN' },
  )
}

/** The address to connect to, so that no second look-up can answer otherwise. Rejects with ETL_LOAD_FAILED. */
export async function publicAddressOf(host: string, publicPath: string): Promise<string> {
  const found = await resolve(host.replace(/^\[|\]$/g, ''), { all: true }).catch((error) => {
    throw loadFailed(publicPath, `the host ${host} cannot be found`, { cause: error, why: 'UNREADABLE' })
  })
  if (found.some(({ address }) => isPrivateAddress(address))) refusePrivate(host, publicPath)
  return found[0]?.address ?? refusePrivate(host, publicPath)
}
