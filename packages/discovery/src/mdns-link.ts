import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** An IPv4 address of this machine, and the network behind it, over which mDNS goes. */
export interface MdnsLink {
  readonly address: string;
  readonly netmask: string;
}

/**
 * This machine's links, the first of each interface.
 * @param wanted - names of interfaces or addresses; undefined: all
 */
export function machineLinks(wanted: readonly string[] | undefined): readonly MdnsLink[] {
  return Object.entries(networkInterfaces()).flatMap(([name, infos]) =>
    (infos ?? [])
      .filter((info): info is NetworkInterfaceInfo & { family: 'IPv4' } => info.family === 'IPv4')
      .filter(info => wanted === undefined || wanted.includes(name) || wanted.includes(info.address))
      // one membership an interface: a second address of it would be refused
      .slice(0, 1)
      .map(({ address, netmask }) => ({ address, netmask })),
  );
}

/** Whether `address` is of the link's network. */
export function isInNetwork(address: string, { address: own, netmask }: MdnsLink): boolean {
  const mask = bitsOf(netmask);
  return ((bitsOf(address) ^ bitsOf(own)) & mask) === 0;
}

export const isLoopbackAddress = (address: string): boolean => /^127(\.\d{1,3}){3}$/.test(address);

function bitsOf(address: string): number {
  return address.split('.').reduce((bits, part) => ((bits << 8) | Number(part)) >>> 0, 0);
}
