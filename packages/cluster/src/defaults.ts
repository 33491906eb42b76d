/**
 * Every threshold of the cluster package in one table. Durations are milliseconds, sizes bytes.
 *
 * | constant | value | what it bounds |
 * |---|---|---|
 * | `HEARTBEAT_INTERVAL_MS` | 1,000 | how often a watched peer is heartbeaten |
 * | `HEARTBEAT_TARGETS` | 5 | how many peers a node watches, and how many watch it |
 * | `DETECTOR_TICK_MS` | 500 | how often the failure detector is ticked |
 * | `ACCEPTABLE_PAUSE_MS` | 4,000 | silence beyond the mean interval that is no reason for suspicion |
 * | `PHI_THRESHOLD` | 8 | suspicion level at which a peer is unreachable (10⁻⁸ for a regular peer) |
 * | `MIN_STDDEV_MS` | 100 | floor of the deviation, so that a very regular peer is not judged by the millisecond |
 * | `ARRIVAL_SAMPLES` | 100 | arrival intervals remembered per peer |
 * | `MAX_SILENCE_MS` | 6,250 | silence after which no irregularity of the past excuses a peer |
 * | `PROBE_AFTER_MS` | 2,000 | silence after which a peer is probed |
 * | `PROBE_INTERVAL_MS` | 500 | between two rounds of probes |
 * | `INDIRECT_PROBES` | 3 | peers asked to probe for us in a round |
 * | `INDIRECT_ONLY_LIMIT_MS` | 30,000 | how long answers relayed by others alone keep a peer reachable |
 * | `STALL_THRESHOLD_MS` | 500 | event-loop lag that counts as a stall of our own |
 * | `STALL_GRACE_MS` | 2,000 | after a stall of our own nobody is declared unreachable for that long |
 * | `LOCAL_HEALTH_MAX` | 8 | worst score of a node's own health |
 * | `LOCAL_HEALTH_STEP_MS` | 1,000 | stall per point of the score, and health per point regained |
 * | `MAX_MEMBERS` | 20,000 | members known by hearsay |
 * | `MAX_TOMBSTONES` | 10,000 | dead incarnations remembered |
 * | `TOMBSTONE_TTL_MS` | 24 h | how long they are remembered |
 * | `DOWN_RETENTION_MS` | 60,000 | how long a `down` member stays in the table before it is `removed` |
 * | `MAX_INCARNATION_LEAD_MS` | 24 h | how far ahead of our wall clock an incarnation may be |
 * | `MAX_VERSION_LEAP` | 2³² | how far one record may run ahead of the version known |
 * | `MAX_GOSSIP_RECORDS` | 40,000 | records or summary rows in one message |
 * | `MAX_NAME_LENGTH` | 255 | characters of a node name, host or zone |
 * | `MAX_ROLES`, `MAX_ROLE_LENGTH` | 64, 128 | roles of a member |
 * | `MAX_METADATA_SIZE`, `MAX_METADATA_DEPTH` | 4,096, 8 | characters of a member's metadata as JSON; nesting |
 * | `MAX_CLAIMANTS` | 16 | members remembered as claiming a death that we doubt |
 * | `DOWNING_MARGIN_MS` | 10,000 | how long a split must be stable before it is decided on |
 * | `INSTABILITY_FACTOR` | 1.75 | × margin: an unstable split is decided on by then |
 * | `RELAPSE_FACTOR` | 0.75 | × margin: a link that holds for that long is no longer flapping |
 * | `RECONNECT_BASE_MS` | 100 | first ceiling of the redial delay |
 * | `RECONNECT_MAX_MS` | 10,000 | last ceiling of the redial delay |
 * | `RECONNECT_STABLE_MS` | 1,000 | a connection lost sooner doesn't reset the backoff |
 * | `RECONNECT_FLAPS` | 2 | failures that count at most once a connection has stood, however short: a redial after 200 ms at the latest |
 * | `RECONNECT_MAX_ADDRESSES` | 20,000 | addresses whose failures are remembered |
 * | `MAX_HELD_SIGNALS` | 100,000 | signals of one peer that wait for messages on other channels |
 * | `MAX_HELD_BYTES` | 64 MiB | what they take, about |
 * | `SPAWN_TIMEOUT_MS` | 10,000 | how long a spawn on another node may take |
 * | `JOIN_TIMEOUT_MS` | 500 | how long a start waits for the first round of discovery and dialling |
 * | `ANTI_ENTROPY_MS` | 5,000 | how often the membership is compared with a random peer's |
 * | `DIAL_TIMEOUT_MS` | 5,000 | how long a dial with its handshake may take |
 * | `MAX_DIALS` | 512 | dials at a time of addresses that only discovery names; those of members don't wait for them |
 * | `MAX_COMPLAINTS` | 1,024 | addresses of which it is remembered what was said of them |
 * | `DIALS_AT_ONCE` | 4 | dials that a node begins at once |
 * | `DIALS_AT_ONCE_SHARE` | 8 | of more than 32 addresses to dial, one in so many at once |
 * | `DIAL_PLACE_MS` | 100 | after this time a dial that nobody answers no longer keeps others waiting |
 * | `DIAL_ANSWERED_PLACE_MS` | 2,000 | the same of one that somebody answers |
 * | `LOUD_DIAL_FAILURES` | 20 | addresses that fail at a time of which the log tells; of further ones at level debug |
 * | `DRAIN_TIMEOUT_MS` | 10,000 | how long leaving may take before the node closes anyway |
 * | `DISCOVERY_RESTART_MS` | 1,000 | before a discovery strategy that ended or failed is started again, the first time; the pause doubles |
 * | `DISCOVERY_RESTART_MAX_MS` | 30,000 | its longest pause |
 * | `DISCOVERY_RESTART_JITTER` | 0.5 | the share of a pause that chance may take off |
 * | `DISCOVERY_FAILURE_MS` | 600,000 | a failure of discovery that was not heard of for so long is told again |
 * | `DISCOVERY_STOP_MS` | 2,000 | how long a strategy may take to withdraw what it advertised |
 * | `BOOTSTRAP_TIMEOUT_MS` | 30,000 | how long a start waits for the nodes expected, unless told otherwise |
 * | `MAX_REFUSALS_KEPT` | 10,000 | refusals by permissions remembered, so that each is logged once |
 * | `CHANNEL_METRICS_MS` | 10,000 | between two reports of what the channels do, as telemetry |
 */
export const HEARTBEAT_INTERVAL_MS = 1_000;
export const HEARTBEAT_TARGETS = 5;
export const DETECTOR_TICK_MS = 500;
export const ACCEPTABLE_PAUSE_MS = 4_000;
export const PHI_THRESHOLD = 8;
export const MIN_STDDEV_MS = 100;
export const ARRIVAL_SAMPLES = 100;
export const MAX_SILENCE_MS = 6_250;
export const PROBE_AFTER_MS = 2_000;
export const PROBE_INTERVAL_MS = 500;
export const INDIRECT_PROBES = 3;
export const INDIRECT_ONLY_LIMIT_MS = 30_000;
export const STALL_THRESHOLD_MS = 500;
export const STALL_GRACE_MS = 2_000;
export const LOCAL_HEALTH_MAX = 8;
export const LOCAL_HEALTH_STEP_MS = 1_000;

export const MAX_MEMBERS = 20_000;
export const MAX_TOMBSTONES = 10_000;
export const TOMBSTONE_TTL_MS = 86_400_000;
export const DOWN_RETENTION_MS = 60_000;
export const MAX_INCARNATION_LEAD_MS = 86_400_000;
export const MAX_VERSION_LEAP = 2 ** 32;
export const MAX_GOSSIP_RECORDS = 40_000;
export const MAX_NAME_LENGTH = 255;
export const MAX_ROLES = 64;
export const MAX_ROLE_LENGTH = 128;
export const MAX_METADATA_SIZE = 4_096;
export const MAX_METADATA_DEPTH = 8;
export const MAX_CLAIMANTS = 16;

export const DOWNING_MARGIN_MS = 10_000;
export const INSTABILITY_FACTOR = 1.75;
export const RELAPSE_FACTOR = 0.75;

export const RECONNECT_BASE_MS = 100;
export const RECONNECT_MAX_MS = 10_000;
export const RECONNECT_STABLE_MS = 1_000;
export const RECONNECT_FLAPS = 2;
export const RECONNECT_MAX_ADDRESSES = 20_000;

export const MAX_HELD_SIGNALS = 100_000;
export const MAX_HELD_BYTES = 64 * 1024 * 1024;
export const MAX_REFUSALS_KEPT = 10_000;
export const SPAWN_TIMEOUT_MS = 10_000;
export const JOIN_TIMEOUT_MS = 500;
export const ANTI_ENTROPY_MS = 5_000;
export const DIAL_TIMEOUT_MS = 5_000;
export const MAX_DIALS = 512;
export const MAX_COMPLAINTS = 1_024;
export const DIALS_AT_ONCE = 4;
export const DIALS_AT_ONCE_SHARE = 8;
export const DIAL_PLACE_MS = 100;
export const DIAL_ANSWERED_PLACE_MS = 2_000;
export const LOUD_DIAL_FAILURES = 20;
export const DRAIN_TIMEOUT_MS = 10_000;
export const DISCOVERY_RESTART_MS = 1_000;
export const DISCOVERY_RESTART_MAX_MS = 30_000;
export const DISCOVERY_RESTART_JITTER = 0.5;
export const DISCOVERY_FAILURE_MS = 600_000;
export const DISCOVERY_STOP_MS = 2_000;
export const BOOTSTRAP_TIMEOUT_MS = 30_000;
export const CHANNEL_METRICS_MS = 10_000;
