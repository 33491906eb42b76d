import type { SearchNode } from './search-node.js';

type Membership = ReturnType<SearchNode['node']['membership']>;
type MembershipEvent = Membership extends AsyncIterable<infer Event> ? Event : never;

/** Remembers when this node learnt what about its members. */
export class MembershipLog {
  readonly #seen: { readonly event: MembershipEvent; readonly at: number }[] = [];

  /** Follows the membership until it ends; resolves then. */
  async follow(membership: Membership, print: (line: string) => void): Promise<void> {
    for await (const event of membership) {
      this.#seen.push({ event, at: performance.now() });
      print(`membership: ${event.member.name} is ${event.type}`);
    }
  }

  /** When, after `since`, the first event of one of these types came for the member; `undefined` if none has. */
  first(member: string, types: readonly MembershipEvent['type'][], since: number): number | undefined {
    return this.#seen.find(({ event, at }) => at >= since && event.member.name === member && types.includes(event.type))
      ?.at;
  }
}
