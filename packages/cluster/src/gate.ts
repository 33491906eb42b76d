import { type ActorSystem, type FoundationError, Pid, type Process } from '@foundation-ts/core';
import type { Peer, PeerIdentity } from '@foundation-ts/transport';
import type { PermittedAction, Permitter } from './permissions.js';

/** What a peer, the node `member`, needs for an operation of one of the node's own actors; undefined: nothing. */
export type ServiceAccess = (op: string, payload: unknown, member: string) => PermittedAction | undefined;

/** Operations of supervisors that change nothing. */
const LOOKS: ReadonlySet<string> = new Set(['whichChildren', 'countChildren', 'partitions']);

/** Decides what of a peer's messages gets through to the actors of this node, where there are permissions. */
export class Gate {
  readonly #system: ActorSystem;
  readonly #permitter: Permitter;
  readonly #services: ReadonlyMap<string, ServiceAccess>;
  /** Which incarnation had an actor started: it may end it. */
  readonly #startedBy = new WeakMap<Process, string>();

  /** @param services - what the node's own actors ask for, by name; what is not there asks for `message` */
  constructor(system: ActorSystem, permitter: Permitter, services: ReadonlyMap<string, ServiceAccess>) {
    this.#system = system;
    this.#permitter = permitter;
    this.#services = services;
  }

  /** Why a cast, call or offer is refused. */
  message({ identity }: Peer, to: number | string, op: string, payload: unknown): FoundationError | undefined {
    if (identity.local) return undefined;
    const { names } = this.#system;
    const process = typeof to === 'string' ? names.whereis(to) : this.#system.process(this.#pid(to));
    const action = process === undefined ? 'message' : this.#needed(process, op, payload, identity.name);
    if (action === undefined || this.#permitter.allows(identity, action)) return undefined;
    if (action === 'observe' && this.#permitter.allows(identity, 'supervise')) return undefined;
    return this.#permitter.refuse(identity, action, `send '${op}' to ${process ?? `'${to}'`}`);
  }

  #needed(process: Process, op: string, payload: unknown, member: string): PermittedAction | undefined {
    for (const name of process.names ?? []) {
      const access = this.#services.get(name);
      if (access !== undefined) return access(op, payload, member);
    }
    if (!process.program.supervisor) return 'message';
    return LOOKS.has(op) ? 'observe' : 'supervise';
  }

  /** Why a definition is not started. */
  spawn({ identity }: Peer, definition: string): FoundationError | undefined {
    if (this.#permitter.allows(identity, 'spawn', definition)) return undefined;
    return this.#permitter.refuse(identity, 'spawn', `spawn '${definition}'`);
  }

  /** A peer had this one started. */
  started({ identity }: Peer, process: Process): void {
    this.#startedBy.set(process, incarnationOf(identity));
  }

  /** Whether a peer may end an actor; as {@link end}, of which nobody hears. */
  lets({ identity }: Peer, process: Process): boolean {
    return this.#permitter.allows(identity, 'exit') || this.#startedBy.get(process) === incarnationOf(identity);
  }

  /**
   * Why a peer may not end an actor, or link with it, which would end it with the peer's actor. What one of this node's actors has linked
   * itself with may end it: those signals come by a link that stands, and are not asked about here.
   */
  end(peer: Peer, to: Pid, how: 'exit' | 'link'): FoundationError | undefined {
    const process = this.#system.process(to);
    if (process === undefined || this.lets(peer, process)) return undefined;
    const { identity } = peer;
    const what = how === 'exit' ? `send an exit signal to ${process}` : `link with ${process}`;
    return this.#permitter.refuse(identity, 'exit', what);
  }

  #pid(id: number): Pid {
    return new Pid(this.#system.node, this.#system.incarnation, id);
  }
}

function incarnationOf({ name, incarnation }: PeerIdentity): string {
  return `${name}#${incarnation}`;
}
