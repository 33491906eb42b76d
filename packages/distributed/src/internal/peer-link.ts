/**
 * What this side knows about pushes to and from one incarnation of a member. Mutations are numbered by their writer (marks); a push
 * `[previous, mark]` carries all of the writer's mutations after `previous` up to `mark`. Pure.
 */
export class PeerLink {
  readonly name: string;
  readonly incarnation: number;
  /** In view: pushes go to it. */
  active = false;
  /** It holds no such replica. */
  absent = false;
  #heldFrom = 0;
  #heldTo = 0;
  #heldAll = 0;
  #gotFrom = 0;
  #gotTo = 0;
  #greeted = false;

  constructor(name: string, incarnation: number) {
    this.name = name;
    this.incarnation = incarnation;
  }

  /** Whether the member has said that it holds the mutation `mark` of ours. */
  holds(mark: number): boolean {
    return mark <= this.#heldAll || (mark > this.#heldFrom && mark <= this.#heldTo);
  }

  /** Whether the member holds everything of ours up to `mark`. */
  holdsAll(mark: number): boolean {
    return mark <= this.#heldAll;
  }

  /** It holds our mutations after `from` up to `to`. */
  heardAck(from: number, to: number): void {
    this.#heldFrom = from;
    this.#heldTo = Math.max(to, from);
    if (from <= this.#heldAll && to > this.#heldAll) this.#heldAll = to;
  }

  /** An exchange has brought it everything of ours up to `mark`. */
  heardComplete(mark: number): void {
    if (mark > this.#heldAll) this.#heldAll = mark;
    if (this.#heldFrom <= this.#heldAll && this.#heldTo > this.#heldAll) this.#heldAll = this.#heldTo;
  }

  /** A push of its own has come. @returns false when pushes before it are missing: an exchange is due */
  receivedPush(previous: number, mark: number): boolean {
    if (previous <= this.#gotTo && previous >= this.#gotFrom) {
      if (mark > this.#gotTo) this.#gotTo = mark;
      return true;
    }
    if (previous < this.#gotFrom) return true;
    this.#gotFrom = previous;
    this.#gotTo = mark;
    const first = !this.#greeted;
    this.#greeted = true;
    return first;
  }

  /** An exchange with it has brought us everything of its up to `mark`. */
  completed(mark: number): void {
    this.#greeted = true;
    if (mark >= this.#gotFrom) {
      this.#gotFrom = 0;
      if (mark > this.#gotTo) this.#gotTo = mark;
    }
  }

  /** What of its pushes we hold without a gap: after the first number, up to the second. */
  get got(): readonly [from: number, to: number] {
    return [this.#gotFrom, this.#gotTo];
  }
}
