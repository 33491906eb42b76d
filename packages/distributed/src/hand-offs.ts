import { type AnyDefinition, FoundationError, type Pid, type Ref } from '@foundation-ts/core';
import { isWanted } from './child-entry.js';
import type { ChildTable } from './child-table.js';
import { HAND_OFF_TIMEOUT } from './defaults.js';
import type { HandOffOutcome } from './hand-off.js';
import { type Handed, type HandOffHost, HandOffRun, type HandOffTarget, type Whereabouts } from './hand-off-run.js';
import type { HostNode } from './host-node.js';
import { replicaId } from './internal/replica-id.js';
import type { LocalChild, LocalChildren } from './local-children.js';
import type { ClaimInit, Registry } from './registry.js';
import { Replica } from './replica.js';

/** Hand-offs that a target remembers, so that it takes none of them twice. */
const REMEMBERED = 10_000;

/** What {@link HandOffs} needs beside the tables. */
export interface HandOffsInit {
  /** The supervisor's name. */
  readonly name: string;
  readonly options: { readonly failoverAfter: number; readonly maxStateBytes: number; readonly forwardWindow: number };
  isOpen(): boolean;
}

interface AdoptRequest extends Handed {
  readonly table: unknown;
}

type Untyped = Ref<
  AnyDefinition & { readonly '~types'?: { readonly argument: unknown; readonly calls: Calls; readonly casts: unknown } }
>;
type Calls = {
  adopt: (s: object, request: AdoptRequest) => unknown;
  whereabouts: (s: object, token: string) => unknown;
};

/** Gives children to other members, and takes theirs. */
export class HandOffs {
  readonly #node: HostNode;
  readonly #registry: Registry;
  readonly #table: ChildTable;
  readonly #local: LocalChildren;
  readonly #init: HandOffsInit;
  readonly #host: HandOffHost;
  readonly #running = new Map<string, Promise<HandOffOutcome>>();
  #taken = new Map<string, Whereabouts>();
  #next = 1;

  constructor(node: HostNode, registry: Registry, table: ChildTable, local: LocalChildren, init: HandOffsInit) {
    this.#node = node;
    this.#registry = registry;
    this.#table = table;
    this.#local = local;
    this.#init = init;
    this.#host = {
      node,
      registry,
      ...init.options,
      adopt: (target, child, handed) => this.#adopt(target, child, handed),
      whereabouts: async (target, token) =>
        readWhereabouts(await this.#ref(target).call('whereabouts', token, { timeout: HAND_OFF_TIMEOUT })),
      resumed: (child, claim, restart) => this.#resumed(child, claim, restart),
      moved: (child, to) => this.#moved(child, to),
      died: (child, reason) => {
        child.phase = 'running';
        local.exited(child, reason);
      },
    };
  }

  /** Goes on where those of a supervisor of the same name have ended: others may still ask what became of a hand-off, and no name of one is used twice. */
  continueAfter(earlier: HandOffs): void {
    this.#taken = earlier.#taken;
    this.#next = earlier.#next;
  }

  /** Hands a running child over; one hand-off of a child at a time. Never rejects. */
  move(child: LocalChild, target: HandOffTarget): Promise<HandOffOutcome> {
    const running = this.#running.get(child.id);
    if (running !== undefined) return running;
    const token = `${replicaId(this.#node.name, this.#node.incarnation)}/${this.#next++}`;
    const run = new HandOffRun(this.#host, child, target, token).run().finally(() => this.#running.delete(child.id));
    this.#running.set(child.id, run);
    return run;
  }

  /** Resolves when the child is not being handed over. */
  async idle(id: string): Promise<void> {
    await this.#running.get(id);
  }

  #ref(target: HandOffTarget): Untyped {
    return this.#node.system.refOn(target.name, `$dsup:${this.#init.name}`) as unknown as Untyped;
  }

  async #adopt(target: HandOffTarget, child: LocalChild, handed: Handed): Promise<Pid> {
    const request: AdoptRequest = { ...handed, table: this.#table.fragment(child.id) };
    const answer = (await this.#ref(target).call('adopt', request, { timeout: HAND_OFF_TIMEOUT })) as Adopted;
    // The answer must not overtake the facts: without them this node would start the child again.
    // And nobody should hear from this node that the child went without hearing where.
    this.#table.replica.joinAndPass(answer.table);
    this.#registry.joinAndPass(answer.registry);
    return answer.pid;
  }

  #resumed(child: LocalChild, claim: ClaimInit, restart: boolean): void {
    const entry = this.#table.get(child.id);
    if (entry?.birth === child.birth && isWanted(entry)) {
      const { name: node, incarnation } = this.#node;
      this.#table.put({ ...entry, node, incarnation, epoch: entry.epoch + 2, desired: 'run' });
    }
    if (restart) {
      this.#startAgain(child, claim);
      return;
    }
    child.phase = 'running';
    try {
      child.claim = this.#registry.claim(child.id, child.process, claim);
    } catch (error) {
      this.#node.log.info(
        { child: child.id, error: error as Error },
        'the name went to another while the child was handed over',
      );
      this.#registry.setMoving(child.id, false);
    }
    child.process.unseal();
  }

  /** The actor has terminated for a hand-off that came to nothing: another takes its place here, and its mail. */
  #startAgain(child: LocalChild, claim: ClaimInit): void {
    const old = child.process;
    child.phase = 'stopping';
    const give = (to: Pid): void => {
      const stopForwarding = old.system.handOver(old, to);
      this.#node.clock.setTimeout(stopForwarding, this.#init.options.forwardWindow, { unref: true });
    };
    const failed = (error: unknown): void => {
      this.#node.log.error(
        { child: child.id, error: error as Error },
        'a child that could not be handed over did not start again here',
      );
      old.system.exit(old.pid, 'kill');
    };
    try {
      const again = this.#local.replace(child, claim);
      if (again.started === undefined) give(again.process.pid);
      else again.started.then(() => give(again.process.pid), failed);
    } catch (error) {
      failed(error);
    }
  }

  #moved(child: LocalChild, to: Pid): void {
    this.#local.forget(child);
    const entry = this.#table.get(child.id);
    const { name, incarnation } = this.#node;
    if (entry?.birth !== child.birth || !isWanted(entry) || entry.node !== name || entry.incarnation !== incarnation)
      return;
    this.#table.put({
      ...entry,
      node: to.node,
      incarnation: to.incarnation,
      epoch: entry.epoch + 1,
      desired: 'run',
      tried: [],
    });
  }

  // --- as the target --------------------------------------------------------------------------------------------

  /** What became of a hand-off to this node. After `never` it is refused, should it come yet. */
  whereabouts(token: unknown): Whereabouts {
    if (typeof token !== 'string') throw new TypeError('a hand-off is named by a string');
    const known = this.#taken.get(token);
    if (known !== undefined) return known;
    return this.#note(token, { state: 'never' });
  }

  #note(token: string, whereabouts: Whereabouts): Whereabouts {
    if (this.#taken.size >= REMEMBERED) {
      const oldest = this.#taken.keys().next().value;
      if (oldest !== undefined) this.#taken.delete(oldest);
    }
    this.#taken.set(token, whereabouts);
    return whereabouts;
  }

  /** Goes on with a child that another node gives away. @throws FoundationError: it was not taken */
  async receiveAdopt(message: unknown): Promise<Adopted> {
    const request = message as AdoptRequest;
    if (request.to !== this.#node.incarnation)
      throw refused(request.id, `it was meant for incarnation ${request.to} of '${this.#node.name}'`);
    const known = this.#taken.get(request.token);
    if (known?.state === 'never') throw refused(request.id, 'the hand-off was given up before it arrived');
    if (known !== undefined) return this.#adopted(request.id, undefined);
    this.#note(request.token, { state: 'starting' });
    try {
      const child = await this.#take(request);
      this.#note(request.token, { state: 'running', pid: child.process.pid });
      return this.#adopted(request.id, child);
    } catch (error) {
      this.#note(request.token, { state: 'never' });
      throw error;
    }
  }

  async #take(request: AdoptRequest): Promise<LocalChild> {
    const { id } = request;
    if (!this.#init.isOpen()) throw refused(id, `'${this.#node.name}' takes no children`);
    this.#table.replica.join(request.table);
    const entry = this.#table.get(id);
    if (!isWanted(entry)) throw refused(id, 'it is not wanted any more');
    const { name: node, incarnation } = this.#node;
    const adopted = {
      ...entry,
      node,
      incarnation,
      epoch: Math.max(entry.epoch, request.epoch) + 1,
      desired: 'run' as const,
      tried: [],
    };
    const resume = request.stateful ? { resume: { handed: request.state, fromVersion: request.version } } : {};
    // A copy from before a partition is not the one that is handed over: the registry settles which of them stays.
    if (this.#local.get(id) !== undefined) throw refused(id, `it runs on '${node}' already`);
    const child = this.#local.start(adopted, { ...resume, claim: request.claim });
    await child.started;
    const now = this.#table.get(id);
    if (now?.birth === child.birth && isWanted(now))
      this.#table.put({ ...adopted, epoch: Math.max(now.epoch, request.epoch) + 1 });
    return child;
  }

  async #adopted(id: string, given: LocalChild | undefined): Promise<Adopted> {
    const child = given ?? this.#local.get(id);
    await child?.started;
    if (child === undefined) throw refused(id, 'it has ended here already');
    return {
      pid: child.process.pid,
      table: this.#table.fragment(id),
      registry: child.claim === undefined ? Replica.pack([]) : Replica.pack([child.claim]),
    };
  }
}

/** The target's answer: the child runs, and these are the facts about it. */
export interface Adopted {
  readonly pid: Pid;
  readonly table: unknown;
  readonly registry: unknown;
}

function refused(id: string, why: string): FoundationError {
  return new FoundationError('conflict', `The hand-off of '${id}' was refused: ${why}.`, { details: { id } });
}

function readWhereabouts(answer: unknown): Whereabouts {
  const given = answer as Whereabouts | undefined;
  if (given?.state === 'running' || given?.state === 'starting' || given?.state === 'never') return given;
  throw new TypeError('an answer about a hand-off is malformed');
}
