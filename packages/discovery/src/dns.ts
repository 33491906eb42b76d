import { checkKeys, invalidOption } from '@foundation-ts/core';
import { DNS_POLL_INTERVAL } from './defaults.js';
import { watchHosts } from './dns-lookup.js';
import { resolveServers } from './dns-server.js';
import {
  checkHostOptions,
  type HostOptions,
  resolveDnsName,
  resolveHostOptions,
  resolvePollInterval,
} from './host-options.js';
import type { DiscoveryStrategy } from './strategy.js';

/** What {@link dns} takes. */
export interface DnsInit extends HostOptions {
  /** A full DNS name, such as `'shop.internal'`; no search domain is added. */
  readonly query: string;
  /** 4: only A records, 6: only AAAA; default: both. */
  readonly family?: 4 | 6;
  /** The longest time between two look-ups, ms; default 5,000. Answers that expire sooner are asked for sooner, but not within a second. */
  readonly pollInterval?: number;
  /** Name servers to ask, as `'ip'` or `'ip:port'`, in this order; default: those of the machine. */
  readonly servers?: readonly string[];
}

/**
 * Names the addresses to which a DNS name resolves (libcluster's `DNSPoll`): the pods of a headless service, the machines of an
 * application on Fly.io (`'app.internal'`). Asks again when the answer expires, and quickly while nobody else has been found.
 *
 * A record that is gone is an address that is no longer named. That there is no record left is believed when three answers in a row
 * say so, and is an empty set then. A look-up that failed on all servers is reported to the context, tried again with growing
 * pauses, and changes nothing; where only A or only AAAA failed, what it said last stands. Nobody is disconnected by any of these.
 *
 * What is no answer to the question is dropped and counted in the telemetry event `discovery.dns.dropped` (`count`, by `reason`).
 * @throws FoundationError `invalid-option`
 */
export function dns(init: DnsInit): DiscoveryStrategy {
  checkKeys('dns', init, ['query', 'port', 'protocol', 'family', 'pollInterval', 'servers']);
  checkHostOptions(init);
  const { family } = init;
  if (family !== undefined && family !== 4 && family !== 6) throw invalidOption('family', family, '4, 6');
  const query = resolveDnsName('query', init.query, 'shop.internal');
  const pollInterval = resolvePollInterval(init.pollInterval, DNS_POLL_INTERVAL);
  const servers = resolveServers(init.servers);
  return {
    name: 'dns',
    watch: ctx =>
      watchHosts(ctx, {
        strategy: 'dns',
        query,
        family,
        servers,
        pollInterval,
        ...resolveHostOptions(init, ctx),
      }),
  };
}
