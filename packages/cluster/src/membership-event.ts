import type { Member } from './member.js';

/** A member as this node sees it. */
export interface MemberView extends Member {
  /** Whether this node has a working connection with it; one side's view, which can change back. */
  readonly reachable: boolean;
}

/**
 * What happens to one incarnation of a member, as this node sees it: `up`, then any number of `unreachable` and
 * `reachable`, then `leaving` and `left`, or `down`; the last two are final.
 */
export interface MembershipEvent {
  readonly type: 'up' | 'unreachable' | 'reachable' | 'leaving' | 'left' | 'down';
  readonly member: MemberView;
}
