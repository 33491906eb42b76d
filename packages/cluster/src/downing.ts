import { invalidOption } from '@foundation-ts/core';
import { type Assessment, assess, cutBrokenLinks, type ReachabilityView } from './reachability.js';

/** What a strategy decided, with what it decided on. */
export interface Decision {
  /** Members to be declared down; sorted; never this node. */
  readonly down: readonly string[];
  /** Whether this node has to stop its part and rejoin as a new incarnation. */
  readonly downSelf: boolean;
  /** One sentence for logs. */
  readonly reason: string;
  /** For `explain`. */
  readonly inputs: Assessment & { readonly strategy: string };
}

/**
 * Decides who stays when members can't reach each other. Pure: the same view gives the same decision, and the views of
 * two sides of one split give decisions that fit together. Wrap it in a `StabilityMargin`.
 */
export interface DowningStrategy {
  /** For logs: `'keep-majority'`. */
  readonly name: string;
  decide(view: ReachabilityView): Decision;
}

type Verdict = { readonly survives: boolean; readonly reason: string };

/** Downs nobody: each side runs what it can see, and healing settles. The default. */
export function available(): DowningStrategy {
  const name = 'available';
  return {
    name,
    decide: view => ({
      down: [],
      downSelf: false,
      reason: 'Unreachable members are waited for; each side runs on.',
      inputs: { ...assess(view), strategy: name },
    }),
  };
}

/**
 * The side with more than half of the agreed members stays; of two halves the one with the lowest name. When no side has
 * as much (a split into three), none stays.
 * @param options.role - counts only members of that role; default all
 */
export function keepMajority(options: { readonly role?: string } = {}): DowningStrategy {
  return strategy('keep-majority', (assessed, view) => {
    const counted = withRole(assessed, view, options.role);
    const mine = subtract(counted, assessed.unreachable);
    const text = `${mine.length} of ${counted.length} agreed members are on this side`;
    if (mine.length * 2 !== counted.length) return { survives: mine.length * 2 > counted.length, reason: `${text}.` };
    const lowest = counted[0];
    if (lowest === undefined) return { survives: false, reason: `${text}; there is nobody to count.` };
    const hasLowest = mine.includes(lowest);
    return { survives: hasLowest, reason: `${text}; the tie goes to the side of ${lowest}.` };
  });
}

/**
 * The side with at least `quorum` agreed members stays. Needs a cluster of at most 2 × `quorum` − 1 members: in a larger
 * one two sides could stay, so nobody does.
 * @param quorum - a positive integer
 * @param role - counts only members of that role; default all
 * @throws FoundationError `invalid-option` when `quorum` is not a positive integer
 */
export function staticQuorum(quorum: number, role?: string): DowningStrategy {
  if (!Number.isSafeInteger(quorum) || quorum < 1) throw invalidOption('quorum', quorum, 'a positive integer');
  return strategy('static-quorum', (assessed, view, cut) => {
    const counted = withRole(assessed, view, role);
    if (counted.length > quorum * 2 - 1) {
      const reason = `${counted.length} members are too many for a quorum of ${quorum}: two sides could have it.`;
      return { survives: false, reason };
    }
    const mine = subtract(subtract(counted, assessed.unreachable), cut);
    return { survives: mine.length >= quorum, reason: `${mine.length} members on this side; the quorum is ${quorum}.` };
  });
}

/**
 * The side of the oldest agreed member (least incarnation, then lowest name) stays.
 * @param options.downIfAlone - when the oldest is alone against two or more it goes, and they stay, provided that they
 * are together; default true
 * @param options.role - considers only members of that role as the oldest, and counts only them; default all
 */
export function keepOldest(options: { readonly downIfAlone?: boolean; readonly role?: string } = {}): DowningStrategy {
  const downIfAlone = options.downIfAlone ?? true;
  const oldestOf = (assessed: Assessment, view: ReachabilityView): string | undefined => {
    const counted = new Set(withRole(assessed, view, options.role));
    return [...view.members]
      .filter(member => counted.has(member.name))
      .sort((left, right) => left.incarnation - right.incarnation || (left.name < right.name ? -1 : 1))[0]?.name;
  };
  const judge: Judge = (assessed, view) => {
    const oldest = oldestOf(assessed, view);
    if (oldest === undefined) return { survives: false, reason: 'There is no oldest member to stay with.' };
    const counted = withRole(assessed, view, options.role);
    const theirs = counted.filter(name => assessed.unreachable.includes(name)).length;
    const mine = counted.length - theirs;
    const isHere = !assessed.unreachable.includes(oldest);
    if (downIfAlone && isHere && mine === 1 && theirs > 1) {
      return { survives: false, reason: `The oldest, ${oldest}, is alone.` };
    }
    if (downIfAlone && !isHere && theirs === 1 && mine > 1) {
      return { survives: true, reason: `The oldest, ${oldest}, is alone on the other side.` };
    }
    return { survives: isHere, reason: `The oldest, ${oldest}, is on ${isHere ? 'this' : 'the other'} side.` };
  };
  return strategy('keep-oldest', judge, oldestOf);
}

/** Whenever someone is unreachable everybody stops and rejoins: for clusters that can't bear doubt. */
export function downAll(): DowningStrategy {
  return strategy('down-all', () => ({ survives: false, reason: 'Members are unreachable, so all stop.' }));
}

type Judge = (assessed: Assessment, view: ReachabilityView, cut: readonly string[]) => Verdict;

/**
 * What all strategies have in common: nothing happens while all is well; the losing side downs itself; the winning side
 * downs the other and, of its own, as few as possible so that all that stay can reach each other.
 */
function strategy(
  name: string,
  judge: Judge,
  spared: (assessed: Assessment, view: ReachabilityView) => string | undefined = () => undefined,
): DowningStrategy {
  return {
    name,
    decide(view) {
      const assessed = assess(view);
      const inputs = { ...assessed, strategy: name };
      if (assessed.unreachable.length === 0 && assessed.brokenLinks.length === 0) {
        return { down: [], downSelf: false, reason: 'All members are reachable.', inputs };
      }
      const cut = cutBrokenLinks(assessed.brokenLinks, spared(assessed, view));
      const { survives, reason } = judge(assessed, view, cut);
      if (!survives) return { down: [], downSelf: true, reason, inputs };
      if (cut.includes(view.self)) {
        return { down: [], downSelf: true, reason: `${reason} This node is reached by some of its side only.`, inputs };
      }
      return { down: [...new Set([...assessed.unreachable, ...cut])].sort(), downSelf: false, reason, inputs };
    },
  };
}

function withRole(assessed: Assessment, view: ReachabilityView, role: string | undefined): readonly string[] {
  if (role === undefined) return assessed.counted;
  const named = new Set(view.members.filter(member => member.roles.includes(role)).map(member => member.name));
  return assessed.counted.filter(name => named.has(name));
}

function subtract(names: readonly string[], without: readonly string[]): readonly string[] {
  const gone = new Set(without);
  return names.filter(name => !gone.has(name));
}
