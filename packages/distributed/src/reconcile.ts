/** What one node sees of one child. */
export interface Situation {
  /** What the table wants: that it runs, or not; undefined when it has no such entry. */
  readonly wanted: boolean | undefined;
  /** What there is of it on this node. */
  readonly local: 'none' | 'running' | 'busy';
  /** Whether what runs here is the child of the entry, rather than an earlier or later one of the same id. */
  readonly sameBirth: boolean;
  /** Who holds the child's name in the registry, as seen from here. */
  readonly claim: 'none' | 'here' | 'assigned' | 'elsewhere';
  /** The node that the table assigns it to: this one; one that takes part; one out of reach, for less than the margin; none that counts. */
  readonly assigned: 'here' | 'taking-part' | 'waiting' | 'gone';
  /** Whether this node decides about the child. */
  readonly chooser: boolean;
  /** Whether this node may start children. */
  readonly open: boolean;
}

/**
 * What this node should do about a child:
 * `start` it here; `stop` what runs here; `assign` it to another node; let the table `follow` the one who runs it (if that is still so after a
 * while); make the table tell of the one that runs here (`reclaim`, likewise).
 */
export type Step = 'nothing' | 'start' | 'stop' | 'assign' | 'follow' | 'reclaim';

/**
 * The one rule by which every node keeps to the table. The registry's claim is the fact of who runs a child, the table's assignment the instruction:
 * a child with a live claim in view is never started again, and one that runs is stopped only because it is no longer wanted. Doing what it says
 * twice does nothing the second time.
 */
export function reconcile(now: Situation): Step {
  if (now.local === 'busy') return 'nothing';
  if (now.local === 'running') return whileRunning(now);
  if (now.wanted !== true) return 'nothing';
  if (now.claim === 'elsewhere') return now.chooser ? 'follow' : 'nothing';
  if (now.claim !== 'none') return 'nothing';
  if (now.assigned === 'here') return now.open ? 'start' : 'assign';
  return now.assigned === 'gone' && now.chooser ? 'assign' : 'nothing';
}

function whileRunning(now: Situation): Step {
  if (now.wanted === undefined || (now.sameBirth && !now.wanted)) return 'stop';
  if (now.claim !== 'here') return 'nothing';
  if (!now.wanted || !now.sameBirth) return 'reclaim';
  return now.assigned === 'here' ? 'nothing' : 'reclaim';
}
