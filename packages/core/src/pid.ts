/**
 * The identity of one actor: which node, which incarnation of that node, which actor. Never reused.
 * Two pids are the same actor when their {@link Pid.key | keys} are equal.
 */
export class Pid {
  /** The node's name. */
  readonly node: string;
  /** The node's incarnation: a restarted node is another node. */
  readonly incarnation: number;
  /** The actor's number on that node; counts up from 1. */
  readonly id: number;

  constructor(node: string, incarnation: number, id: number) {
    this.node = node;
    this.incarnation = incarnation;
    this.id = id;
  }

  /** A text that is equal for equal pids only; fit for a Map key. */
  get key(): string {
    return `${this.id}@${this.node}#${this.incarnation}`;
  }

  equals(other: Pid): boolean {
    return this.id === other.id && this.incarnation === other.incarnation && this.node === other.node;
  }

  toString(): string {
    return `<${this.key}>`;
  }
}
