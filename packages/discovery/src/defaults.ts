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
/** Receive buffer asked of the kernel (which may give less), bytes: the datagrams of a burst wait there. */
export const GOSSIP_RECEIVE_BUFFER_BYTES = 1_048_576;
