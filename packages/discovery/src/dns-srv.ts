import { checkKeys } from '@foundation-ts/core';
import { DNS_POLL_INTERVAL } from './defaults.js';
import { watchServices } from './dns-lookup.js';
import { resolveServers } from './dns-server.js';
import {
  checkHostOptions,
  type HostOptions,
  resolveDnsName,
  resolveHostOptions,
  resolvePollInterval,
} from './host-options.js';
import type { DiscoveryStrategy } from './strategy.js';

/** What {@link dnsSrv} takes. */
export interface DnsSrvInit extends Pick<HostOptions, 'protocol'> {
  /** The full name of SRV records, such as `'_foundation._tcp.shop.example'`; no search domain is added. */
  readonly query: string;
  /** The longest time between two look-ups, ms; default 5,000. Answers that expire sooner are asked for sooner, but not within a second. */
  readonly pollInterval?: number;
  /** Name servers to ask, as `'ip'` or `'ip:port'`, in this order; default: those of the machine. */
  readonly servers?: readonly string[];
}

/**
 * Names the addresses to which the SRV records of a DNS name lead (RFC 2782), each with its own port: those that came along with the
 * answer, or else the A and AAAA records of each target. Priority and weight only say which are taken of more than 1,024.
 * A target that can't be resolved keeps the addresses it had. Otherwise as `dns`.
 * @throws FoundationError `invalid-option`
 */
export function dnsSrv(init: DnsSrvInit): DiscoveryStrategy {
  checkKeys('dnsSrv', init, ['query', 'protocol', 'pollInterval', 'servers']);
  checkHostOptions({ ...init, port: 1 });
  const query = resolveDnsName('query', init.query, '_foundation._tcp.shop.example');
  const pollInterval = resolvePollInterval(init.pollInterval, DNS_POLL_INTERVAL);
  const servers = resolveServers(init.servers);
  return {
    name: 'dns-srv',
    watch: ctx =>
      watchServices(ctx, {
        strategy: 'dns-srv',
        query,
        servers,
        pollInterval,
        protocol: resolveHostOptions(init, ctx).protocol,
      }),
  };
}
