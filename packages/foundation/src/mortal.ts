import type { Log } from '@foundation-ts/core';
import { type DiscoveryStrategy, readOrCreateCookie } from '@foundation-ts/discovery';
import { gossip } from '@foundation-ts/discovery/gossip';
import { sameHost } from '@foundation-ts/discovery/same-host';
import { isLoopback } from '@foundation-ts/transport';

/** What mortal mode decided on. */
export interface MortalMode {
  readonly secret: readonly Uint8Array[];
  readonly discovery: readonly DiscoveryStrategy[];
}

/**
 * Zero configuration: finds a secret and the ways by which nodes find each other, and logs each step and why.
 * @throws FoundationError `insecure` when the cookie file can be read by others
 */
export async function mortalMode(
  host: string,
  secrets: readonly Uint8Array[] | undefined,
  log: Log,
): Promise<MortalMode> {
  const step = (message: string): void => log.info({}, `cluster: ${message}`);
  const local = isLoopback(host);
  let key = secrets;
  if (key !== undefined) {
    const rest = key.length === 1 ? '' : ` ${key.length} are accepted, the first is proven.`;
    step(`secret: the one given ('secret' or FOUNDATION_SECRET).${rest}`);
  } else {
    const cookie = await readOrCreateCookie();
    key = [cookie.secret];
    step(
      `secret: the cookie file ${cookie.path}, which all nodes of this user share. For nodes on other hosts: FOUNDATION_SECRET="$(cat ${cookie.path})" there, and 'host' in startNode().`,
    );
  }
  step('same host: on; nodes of this machine and user are found through a folder, without a network.');
  step(
    local
      ? `UDP gossip: on, on loopback only, because the node binds ${host}; give 'host' to be found from other machines.`
      : `UDP gossip: on, multicast on all interfaces, encrypted with the secret, because the node binds ${host}.`,
  );
  return { secret: key, discovery: [sameHost(), local ? gossip({ interfaces: ['127.0.0.1'] }) : gossip()] };
}
