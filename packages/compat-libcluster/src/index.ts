export { type Finding, formatFinding, formatFindings } from './finding.js';
export { type FromLibcluster, type FromLibclusterOptions, fromLibcluster } from './from-libcluster.js';
export type { StrategyData } from './keyword.js';
export type {
  LibclusterConnect,
  LibclusterDisconnect,
  LibclusterListNodes,
  LibclusterTopologies,
  LibclusterTopology,
} from './libcluster-config.js';
export { type ConnectingNode, connectNodes, disconnectNodes, listNodes, type NodesResult } from './nodes.js';
export { type RancherInit, rancher } from './rancher.js';
export { type LibclusterOptions, type TranslatedTopology, type Translation, translate } from './translate.js';
