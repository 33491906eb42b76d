export { type ClusterRunOptions, type ClusterRunResult, runCluster } from './cluster-run.js';
export { HostClock } from './host-clock.js';
export { SimulatedClock, settle } from './simulated-clock.js';
export { SimulatedCluster, type SimulatedClusterInit, type SimulatedHost } from './simulated-cluster.js';
