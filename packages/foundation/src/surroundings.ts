import { existsSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** What a node can see of where it runs; given in tests. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Addresses of the machine, by interface. */
  readonly interfaces: () => NodeJS.Dict<readonly NetworkInterfaceInfo[]>;
  /** Whether a file is there. */
  readonly exists: (path: string) => boolean;
}

/** Those of this process. */
export function here(): Surroundings {
  return { env: process.env, interfaces: networkInterfaces, exists: existsSync };
}

/** An address at which other machines reach this one, and where it is from. */
export interface ReachableHost {
  readonly host: string;
  readonly why: string;
}

/** The address that Kubernetes or Fly.io gives the node, else the first of the machine that others could reach; undefined without a network. */
export function reachableHost({ env, interfaces }: Surroundings): ReachableHost | undefined {
  if (env.POD_IP) return { host: env.POD_IP, why: 'POD_IP' };
  if (env.FLY_PRIVATE_IP) return { host: env.FLY_PRIVATE_IP, why: 'FLY_PRIVATE_IP' };
  for (const family of ['IPv4', 'IPv6']) {
    for (const [name, addresses = []] of Object.entries(interfaces())) {
      const found = addresses.find(each => each.family === family && !each.internal && !isLinkLocal(each.address));
      if (found !== undefined) return { host: found.address, why: `the machine's first address, of ${name}` };
    }
  }
  return undefined;
}

/** Such an address means nothing without its interface. */
function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab]/i.test(address);
}
