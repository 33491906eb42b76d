import { FoundationError, isFoundationError } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { type DnsInit, dns } from '@foundation-ts/discovery/dns';
import { type GossipInit, gossip } from '@foundation-ts/discovery/gossip';
import { type KubernetesInit, kubernetes } from '@foundation-ts/discovery/kubernetes';
import { type KubernetesDnsInit, kubernetesDns } from '@foundation-ts/discovery/kubernetes-dns';
import { type SameHostInit, sameHost } from '@foundation-ts/discovery/same-host';
import { staticList } from '@foundation-ts/discovery/static';
import { type RancherInit, rancher } from './rancher.js';

/** A strategy of ours as plain data, as `startNode` takes it too; `'rancher'` is this package's own. */
export type StrategyData =
  | ({ readonly strategy: 'kubernetes' } & KubernetesInit)
  | ({ readonly strategy: 'kubernetes-dns' } & KubernetesDnsInit)
  | ({ readonly strategy: 'dns' } & DnsInit)
  | ({ readonly strategy: 'gossip' } & GossipInit)
  | ({ readonly strategy: 'same-host' } & SameHostInit)
  | { readonly strategy: 'static'; readonly nodes: readonly string[] }
  | ({ readonly strategy: 'rancher' } & RancherInit);

/** Whether a topology's strategy is plain data, not one that is made already. */
export function isData(strategy: StrategyData | DiscoveryStrategy): strategy is StrategyData {
  return 'strategy' in strategy;
}

/**
 * The strategy of a topology; one that is made already as it is.
 * @throws FoundationError `invalid-option` naming the topology
 */
export function makeStrategy(topology: string, strategy: StrategyData | DiscoveryStrategy): DiscoveryStrategy {
  if (!isData(strategy)) return strategy;
  try {
    return strategyFrom(strategy);
  } catch (error) {
    if (!isFoundationError(error, 'invalid-option')) throw error;
    const { message, details } = error;
    throw new FoundationError('invalid-option', `Topology '${topology}', as '${strategy.strategy}': ${message}`, {
      cause: error,
      ...(details === undefined ? {} : { details }),
    });
  }
}

function strategyFrom(data: StrategyData): DiscoveryStrategy {
  switch (data.strategy) {
    case 'kubernetes':
      return kubernetes(without(data));
    case 'kubernetes-dns':
      return kubernetesDns(without(data));
    case 'dns':
      return dns(without(data));
    case 'gossip':
      return gossip(without(data));
    case 'same-host':
      return sameHost(without(data));
    case 'static':
      return staticList(data.nodes);
    case 'rancher':
      return rancher(without(data));
  }
}

function without<T extends { readonly strategy: string }>(data: T): Omit<T, 'strategy'> {
  const { strategy: _, ...init } = data;
  return init;
}
