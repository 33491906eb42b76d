/** How often same-host discovery looks at its folder when no file event came, ms. */
export const SAME_HOST_POLL_INTERVAL = 1_000;
/** How long same-host discovery waits after a file event, so that a burst is read once, ms. */
export const SAME_HOST_SETTLE = 5;
/** Longest entry file that is read, bytes. */
export const SAME_HOST_MAX_FILE_BYTES = 16_384;

/** Random bytes in a new cookie. */
export const COOKIE_BYTES = 32;
/** Shortest cookie text accepted: 128 bits in base64url. */
export const COOKIE_MIN_LENGTH = 22;

/** UDP port of gossip discovery. */
export const GOSSIP_PORT = 45_892;
/** Multicast group of gossip discovery: administratively scoped (RFC 2365), so it does not leave the site. */
export const GOSSIP_MULTICAST_ADDRESS = '239.255.45.89';
/** Mean time between two beats of a settled node, ms. */
export const GOSSIP_INTERVAL = 1_500;
/** Beats of a node that has just started, ms after its start. */
export const GOSSIP_START_BEATS: readonly number[] = [0, 100, 300, 1_000];
/** A node that missed this many beats is no longer named. */
export const GOSSIP_MISSED_BEATS = 5;
/** Most nodes kept in the table. */
export const GOSSIP_MAX_ENTRIES = 4_096;
/** How far a newcomer's wall clock may be from ours, ms: two machines each an hour off, in opposite directions. */
export const GOSSIP_MAX_CLOCK_SKEW = 7_200_000;
/** Answers to a newcomer are spread over this time, ms, so that a large cluster doesn't answer in one burst. */
export const GOSSIP_ANSWER_SPREAD = 50;
/** Least time between an answer and the beat before it, ms: what a flood of newcomers can make a node send. */
export const GOSSIP_ANSWER_SPACING = 100;
/** Longest datagram sent or accepted, bytes: fits every MTU. */
export const GOSSIP_MAX_DATAGRAM_BYTES = 1_200;
/** How often the machine's interfaces are looked at, ms. */
export const GOSSIP_INTERFACE_INTERVAL = 5_000;
/** First and longest wait before a failed socket is opened again, ms. */
export const GOSSIP_RETRY_MIN = 500;
export const GOSSIP_RETRY_MAX = 30_000;
/** Drops are reported to telemetry at most this often, ms. */
export const GOSSIP_DROP_REPORT_INTERVAL = 1_000;
/** Shortest secret accepted, bytes (128 bits). */
export const MIN_SECRET_BYTES = 16;
/** More hostile datagrams than this in {@link GOSSIP_DROP_REPORT_INTERVAL} are a flood, in which honest ones get lost. */
export const GOSSIP_FLOOD = 200;
/** How long changes of the set are gathered before they are told, ms. */
export const GOSSIP_SETTLE = 10;
/** How long a node that has heard nobody yet waits for answers before it says so, ms: the start of the node waits for its first word. */
export const GOSSIP_FIRST_ROUND = 250;
/** Receive buffer asked of the kernel (which may give less), bytes: the datagrams of a burst wait there. */
export const GOSSIP_RECEIVE_BUFFER_BYTES = 1_048_576;

/** Port of a node whose address is learnt without one, where the node that looks has none itself. */
export const NODE_PORT = 4_370;
/** Protocol of such a node. */
export const NODE_PROTOCOL = 'tcp';

/** Longest time between two DNS look-ups, ms; a shorter TTL shortens it. */
export const DNS_POLL_INTERVAL = 5_000;
/** Shortest time between two DNS look-ups, ms, however short the TTL. */
export const DNS_MIN_INTERVAL = 1_000;
/** First wait of a node that has found nobody yet, ms; it doubles until it is that of the others. */
export const DNS_START_INTERVAL = 250;
/** First and longest wait after a failed look-up, ms. */
export const DNS_RETRY_MIN = 500;
export const DNS_RETRY_MAX = 30_000;
/** So many answers in a row must say that there is nobody any more before it is believed. */
export const DNS_EMPTY_ANSWERS = 3;
/** How long a name server has for its answer, ms, in the first round over the servers and in the second. */
export const DNS_TRY_TIMEOUTS: readonly number[] = [1_000, 3_000];
/** How long one look-up may take in all, ms. */
export const DNS_LOOKUP_TIMEOUT = 15_000;
/** Longest UDP answer asked for, bytes: fits every path (DNS flag day 2020). */
export const DNS_UDP_BYTES = 1_232;
/** So many datagrams that are no answer to a question look like somebody guessing: it is asked over TCP then. */
export const DNS_MAX_STRAYS = 64;
/** Most jumps in a compressed name. */
export const DNS_MAX_JUMPS = 64;
/** Most CNAME records followed in one answer. */
export const DNS_MAX_ALIASES = 16;
/** How often a server is asked on for the target of an alias that its answer left out. */
export const DNS_MAX_FOLLOWED = 4;
/** Most addresses taken of one look-up or file. */
export const MAX_ADDRESSES = 4_096;
/** Most SRV targets taken of one look-up. */
export const DNS_MAX_TARGETS = 1_024;
/** How many SRV targets are resolved at the same time. */
export const DNS_TARGETS_AT_ONCE = 16;

/** Name of the port in a Kubernetes service whose SRV records are asked for. */
export const KUBERNETES_PORT_NAME = 'foundation';

/** How often a hosts file is read when the file system announces nothing, ms. */
export const HOSTS_FILE_POLL_INTERVAL = 5_000;
/** How long is waited after a file event, so that a burst is read once and a writer gets done, ms. */
export const HOSTS_FILE_SETTLE = 50;
/** First and longest wait after a failed read, ms. */
export const HOSTS_FILE_RETRY_MIN = 500;
export const HOSTS_FILE_RETRY_MAX = 30_000;
/** Longest hosts file read, bytes. */
export const HOSTS_FILE_MAX_BYTES = 1_048_576;
/** Most malformed lines of a hosts file that are logged. */
export const HOSTS_FILE_MAX_WARNINGS = 100;

/** Port that a discovered host is dialled at where neither the strategy nor the node itself says another. */
export const KUBERNETES_PORT = 4_370;
/** Folder that Kubernetes mounts a pod's service account at. */
export const KUBERNETES_SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Domain of a Kubernetes cluster's own names. */
export const KUBERNETES_CLUSTER_DOMAIN = 'cluster.local';
/** Mean time after which the API ends a watch, ms; a connection that died unnoticed is noticed by then. */
export const KUBERNETES_WATCH_TIMEOUT = 120_000;
/** Time after which a watch is not resumed but begins with a new list, ms. */
export const KUBERNETES_RESYNC_INTERVAL = 600_000;
/** Most pods or slices kept. */
export const KUBERNETES_MAX_ENTRIES = 10_000;
/** Objects asked for in one page of a list. */
export const KUBERNETES_PAGE_SIZE = 250;
/** Most pages of one list. */
export const KUBERNETES_MAX_PAGES = 400;
/** Longest page of a list, bytes. */
export const KUBERNETES_MAX_PAGE_BYTES = 33_554_432;
/** Longest event of a watch, bytes: etcd, under the API, takes 1.5 MiB an object. */
export const KUBERNETES_MAX_EVENT_BYTES = 4_194_304;
/** Longest explanation of an error that is read, bytes. */
export const KUBERNETES_MAX_STATUS_BYTES = 65_536;
/** How long the API may be silent in the middle of an answer, ms. */
export const KUBERNETES_ANSWER_TIMEOUT = 15_000;
/** A watch that lived so long, ms, was a good one: it is resumed at once when it ends. */
export const KUBERNETES_STEADY = 1_000;
/** First and longest wait before a failed request is repeated, ms. */
export const KUBERNETES_RETRY_MIN = 500;
export const KUBERNETES_RETRY_MAX = 30_000;
/** How long changes are gathered before they are told, ms. */
export const KUBERNETES_SETTLE = 10;

/** Service name of mDNS discovery: nodes stand under `_foundation._tcp.local`. */
export const MDNS_SERVICE = 'foundation';
/** UDP port and group of mDNS (RFC 6762 §3). */
export const MDNS_PORT = 5_353;
export const MDNS_ADDRESS = '224.0.0.251';
/** TTL of records that hold a host name or address, s (RFC 6762 §10). */
export const MDNS_TTL_HOST = 120;
/** TTL of the other records, s. */
export const MDNS_TTL_OTHER = 4_500;
/** Longest TTL that is believed, s. */
export const MDNS_TTL_MAX = 4_500;
/** TTL told to those who ask as ordinary DNS clients do, s (RFC 6762 §6.7). */
export const MDNS_TTL_LEGACY = 10;
/** How many probes, and ms between them (RFC 6762 §8.1). */
export const MDNS_PROBES = 3;
export const MDNS_PROBE_INTERVAL = 250;
/** How long a prober that lost a tie waits, ms (RFC 6762 §8.2). */
export const MDNS_PROBE_DEFER = 1_000;
/** This many conflicts within this time make a prober wait that long, ms (RFC 6762 §8.1). */
export const MDNS_CONFLICTS = 15;
export const MDNS_CONFLICT_WINDOW = 10_000;
export const MDNS_CONFLICT_WAIT = 5_000;
/** How many announcements, and ms between them (RFC 6762 §8.3). */
export const MDNS_ANNOUNCEMENTS = 2;
export const MDNS_ANNOUNCE_INTERVAL = 1_000;
/** A record is multicast at most this often, ms; in defence against a probe: that often (RFC 6762 §6). */
export const MDNS_ANSWER_SPACING = 1_000;
export const MDNS_DEFENCE_SPACING = 250;
/** Answers and first questions of several hosts are spread from the first to the second, ms (RFC 6762 §5.2, §6). */
export const MDNS_SPREAD_MIN = 20;
export const MDNS_SPREAD_MAX = 120;
/** How much longer to wait for further known answers, ms (RFC 6762 §7.2). */
export const MDNS_TRUNCATED_WAIT = 400;
/** Unicast answers a second: what somebody can make a node send to one of the network. */
export const MDNS_LEGACY_RATE = 20;
/** Answers that wait to be sent; further ones are dropped. */
export const MDNS_MAX_PENDING = 256;
/** First wait between two questions for the service, ms; doubles up to {@link MDNS_QUERY_INTERVAL}. */
export const MDNS_QUERY_FIRST = 1_000;
/** Longest wait between two questions for the service, ms. */
export const MDNS_QUERY_INTERVAL = 60_000;
/** Parts of a TTL after which a record is asked for again, and how much that is spread (RFC 6762 §5.2). */
export const MDNS_REFRESH_AT: readonly number[] = [0.8, 0.85, 0.9, 0.95];
export const MDNS_REFRESH_SPREAD = 0.02;
/** How long a record lives on after a goodbye or a cache flush, ms (RFC 6762 §10.1, §10.2). */
export const MDNS_GOODBYE_DELAY = 1_000;
/** Waits between questions for what an announcement left out, ms; the last repeats. */
export const MDNS_RESOLVE_WAITS: readonly number[] = [1_000, 3_000, 60_000];
/** Questions in a packet, and the least ms between two packets of them. */
export const MDNS_MAX_QUESTIONS = 30;
export const MDNS_QUESTION_SPACING = 100;
/** Most instances kept on a link. */
export const MDNS_MAX_INSTANCES = 512;
/** Most addresses kept of one host. */
export const MDNS_MAX_HOST_ADDRESSES = 8;
/** When the cache is full, instances that led nowhere for this long, ms, make room; looked for at most once in that time / 10. */
export const MDNS_EVICT_AGE = 10_000;
/** Longest packet accepted, bytes (RFC 6762 §17), and longest sent: fits every MTU. */
export const MDNS_MAX_PACKET_BYTES = 9_000;
export const MDNS_SEND_BYTES = 1_200;
/** Bytes a second that are decoded, and at once: what a flood can make a node work. */
export const MDNS_RECEIVE_RATE = 500_000;
export const MDNS_RECEIVE_BURST = 1_000_000;
/** How often the machine's interfaces are looked at, ms. */
export const MDNS_INTERFACE_INTERVAL = 5_000;
/** First and longest wait before failed sockets are opened again, ms. */
export const MDNS_RETRY_MIN = 500;
export const MDNS_RETRY_MAX = 30_000;
/** Drops are reported to telemetry at most this often, ms. */
export const MDNS_DROP_REPORT_INTERVAL = 1_000;
/** How long changes of the set are gathered before they are told, ms. */
export const MDNS_SETTLE = 10;
/** How long a node that knows only itself waits for answers to its first question before it says so, ms. */
export const MDNS_FIRST_ROUND = 300;

/** Under which keys of a store (etcd, redis) nodes are found. */
export const STORE_PREFIX = 'foundation';
/** How long a node that was killed is still named by a store, ms. */
export const STORE_TTL = 15_000;
/** Mean time between two looks at the whole of a store, ms, for what its events did not tell. */
export const STORE_POLL_INTERVAL = 5_000;
/** How long changes of a store are gathered before they are told, ms. */
export const STORE_SETTLE = 10;
/** Most nodes read from a store. */
export const STORE_MAX_ENTRIES = 10_000;
/** Longest entry of a store that is read, characters. */
export const STORE_MAX_ENTRY_LENGTH = 1_024;
/** How long a store may take to answer, ms. */
export const STORE_ANSWER_TIMEOUT = 5_000;
/** How long a node that ends waits until a store has noted it, ms. */
export const STORE_FAREWELL = 1_000;
/** First and longest wait before a store is tried again, ms. */
export const STORE_RETRY_MIN = 500;
export const STORE_RETRY_MAX = 30_000;
