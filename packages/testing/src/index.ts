export { type ClusterRunOptions, type ClusterRunResult, runCluster } from './cluster-run.js';
export { HostClock } from './host-clock.js';
export { type Leak, type LeakCheck, leakCheck } from './leaks.js';
export { type ExpectOptions, type Matcher, type Probe, type ProbeMessage, probe } from './probe.js';
export { seededOrder } from './seeded-order.js';
export { type PendingTimer, SimulatedClock, settle } from './simulated-clock.js';
export { SimulatedCluster, type SimulatedClusterInit, type SimulatedHost } from './simulated-cluster.js';
