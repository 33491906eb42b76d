import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** An IPv4 address of this machine over which gossip goes. */
export interface GossipInterface {
  readonly address: string;
  /** Where a datagram to every host of its network goes. */
  readonly broadcastAddress: string;
}

/**
 * This machine's IPv4 addresses.
 * @param wanted - names of interfaces or addresses; undefined: all
 */
export function gossipInterfaces(wanted: readonly string[] | undefined): readonly GossipInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, infos]) =>
    (infos ?? [])
      .filter(info => info.family === 'IPv4')
      .filter(info => wanted === undefined || wanted.includes(name) || wanted.includes(info.address))
      .map(info => ({ address: info.address, broadcastAddress: broadcastAddressOf(info) })),
  );
}

/** Whether everything in `wanted` stays on this machine. */
export function onlyLoopback(wanted: readonly string[] | undefined): boolean {
  return wanted?.every(one => isLoopback(one) || isLoopbackInterface(one)) === true;
}

export function isLoopback(address: string): boolean {
  return /^127(\.\d{1,3}){3}$/.test(address);
}

function isLoopbackInterface(name: string): boolean {
  const found = gossipInterfaces([name]);
  return found.length > 0 && found.every(one => isLoopback(one.address));
}

function broadcastAddressOf({ address, netmask }: NetworkInterfaceInfo): string {
  const mask = netmask.split('.').map(Number);
  return address
    .split('.')
    .map((part, index) => Number(part) | (~(mask[index] ?? 255) & 255))
    .join('.');
}
