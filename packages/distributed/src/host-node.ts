import type { ClusterNode } from '@foundation-ts/cluster';

/** What this package needs of a node; a {@link ClusterNode} is one. */
export type HostNode = Pick<
  ClusterNode,
  | 'name'
  | 'incarnation'
  | 'system'
  | 'definitions'
  | 'clock'
  | 'random'
  | 'log'
  | 'telemetry'
  | 'self'
  | 'members'
  | 'member'
  | 'isVisible'
  | 'onMembership'
  | 'onLeave'
  | 'startSystemActor'
  | 'permits'
>;
