import {
  type ExitReason,
  FoundationError,
  isFoundationError,
  type Pid,
  type Timer,
  toExitReason,
} from '@foundation-ts/core';
import { HAND_OFF_ASK_AGAIN } from './defaults.js';
import { type HandOffEffect, type HandOffEvent, type HandOffOutcome, handOffStart, handOffStep } from './hand-off.js';
import type { HostNode } from './host-node.js';
import { replicaId } from './internal/replica-id.js';
import { stateSize } from './internal/state-size.js';
import type { LocalChild } from './local-children.js';
import type { ClaimInit, Registry } from './registry.js';

/** A member as the target of a hand-off. */
export interface HandOffTarget {
  readonly name: string;
  readonly incarnation: number;
}

/** What goes to the target. Plain data. */
export interface Handed {
  /** Identifies this hand-off: the target takes it at most once. */
  readonly token: string;
  readonly id: string;
  /** The incarnation that it is meant for: one that came after it refuses. */
  readonly to: number;
  /** Whether `state` is to be resumed from; else the child starts anew. */
  readonly stateful: boolean;
  readonly state: unknown;
  readonly version: number;
  readonly epoch: number;
  readonly claim: ClaimInit;
}

/** What became of a hand-off, by the target's account. */
export type Whereabouts = { readonly state: 'running'; readonly pid: Pid } | { readonly state: 'starting' | 'never' };

/** What a hand-off needs of its supervisor. */
export interface HandOffHost {
  readonly node: HostNode;
  readonly registry: Registry;
  readonly maxStateBytes: number;
  readonly failoverAfter: number;
  readonly forwardWindow: number;
  /** Asks the target to go on with the child; resolves when it runs there. */
  adopt(target: HandOffTarget, child: LocalChild, handed: Handed): Promise<Pid>;
  /** Asks the target what became of it; after `never` it will not take it any more. */
  whereabouts(target: HandOffTarget, token: string): Promise<Whereabouts>;
  /** The child goes on here, under a higher epoch. */
  resumed(child: LocalChild, claim: ClaimInit, restart: boolean): void;
  /** The child runs there. */
  moved(child: LocalChild, to: Pid): void;
  /** The child died here and runs nowhere. */
  died(child: LocalChild, reason: ExitReason): void;
}

/** Carries one child over to another member: the shell around {@link handOffStep}. */
export class HandOffRun {
  readonly #host: HandOffHost;
  readonly #child: LocalChild;
  readonly #target: HandOffTarget;
  readonly #token: string;
  readonly #startedAt: number;
  readonly #done: Promise<HandOffOutcome>;
  readonly #offs: (() => void)[] = [];
  #finish!: (outcome: HandOffOutcome) => void;
  #state = handOffStart;
  #released = false;
  #handed: unknown = undefined;
  #bytes = 0;
  #deathReason: ExitReason = 'normal';
  #sent = false;
  /** How often it had moved before. */
  #moves = 0;
  #timer: Timer | undefined = undefined;
  /** Why the child stayed, if it did. */
  failure: Error | undefined = undefined;

  constructor(host: HandOffHost, child: LocalChild, target: HandOffTarget, token: string) {
    this.#host = host;
    this.#child = child;
    this.#target = target;
    this.#token = token;
    this.#startedAt = host.node.clock.now();
    this.#done = new Promise(resolve => {
      this.#finish = resolve;
    });
  }

  /** Runs it to its end; never rejects. */
  async run(): Promise<HandOffOutcome> {
    const { node, registry } = this.#host;
    const child = this.#child;
    child.phase = 'moving';
    registry.setMoving(child.id, true);
    child.onDeath = reason => {
      this.#deathReason = reason;
      this.#step({ type: 'died' });
    };
    this.#offs.push(
      registry.onChange(change => {
        if (change.name === child.id && change.after !== undefined) this.#claimed(change.after);
      }),
      node.onMembership(event => {
        if (event.member.name === this.#target.name) this.#targetChanged(event.type, event.member.incarnation);
      }),
    );
    if (await child.process.seal()) this.#step({ type: 'sealed' });
    else this.#step({ type: 'died' });
    const outcome = await this.#done;
    this.#clean();
    return outcome;
  }

  #clean(): void {
    for (const off of this.#offs) off();
    this.#timer?.cancel();
    this.#child.onDeath = undefined;
  }

  /** The target may have handed it on, and left, before its answer came: then whom it gave it to holds the name by more moves. */
  #claimed(pid: Pid): void {
    const { node, registry } = this.#host;
    const atTarget = pid.node === this.#target.name && pid.incarnation === this.#target.incarnation;
    const remote = pid.node !== node.name || pid.incarnation !== node.incarnation;
    const moves = registry.holder(this.#child.id)?.claim[2] ?? 0;
    if (atTarget || (this.#sent && remote && moves > this.#moves)) this.#step({ type: 'runs-there', pid });
  }

  #targetChanged(event: string, incarnation: number): void {
    if (event === 'down' || event === 'left' || incarnation > this.#target.incarnation)
      this.#step({ type: 'target-gone' });
    else if (event === 'unreachable') this.#step({ type: 'target-unreachable' });
    else if (event === 'reachable') this.#step({ type: 'target-reachable' });
  }

  #step(event: HandOffEvent): void {
    const { state, effects } = handOffStep(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    if (state.outcome !== undefined) this.#finish(state.outcome);
  }

  #carryOut(effect: HandOffEffect): void {
    switch (effect.type) {
      case 'capture':
        void this.#capture();
        break;
      case 'send':
        void this.#send();
        break;
      case 'ask':
        void this.#ask();
        break;
      case 'ask-later':
        this.#after(HAND_OFF_ASK_AGAIN, () => void this.#ask());
        break;
      case 'start-margin':
        this.#after(this.#host.failoverAfter, () => this.#step({ type: 'margin-passed' }));
        break;
      case 'resume':
        this.#resume();
        break;
      case 'report-death':
        this.#host.died(this.#child, this.#deathReason);
        break;
      case 'complete':
        this.#complete(effect.pid);
        break;
    }
  }

  #after(ms: number, run: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#host.node.clock.setTimeout(run, ms);
  }

  /** Takes the state out; an actor that can't hand its state over ends here instead, in order, and starts anew there. */
  async #capture(): Promise<void> {
    const { process } = this.#child;
    const { program } = process;
    try {
      if (program.handOff !== undefined && program.resume !== undefined) {
        this.#handed = await program.handOff(process.state);
        this.#bytes = stateSize(this.#handed, this.#host.maxStateBytes);
        if (this.#bytes > this.#host.maxStateBytes) throw this.#tooLarge();
      } else if (program.terminate !== undefined) {
        this.#released = true;
        await program.terminate(process.state, 'shutdown', process.context);
      }
    } catch (error) {
      this.failure = toExitReason(error);
      if (!this.#released) {
        this.#step({ type: 'capture-failed' });
        return;
      }
      process.system.reports.crash(process, this.failure);
    }
    this.#step({ type: 'captured' });
  }

  #tooLarge(): FoundationError {
    return new FoundationError(
      'too-large',
      `The state of '${this.#child.id}' is larger than the ${this.#host.maxStateBytes} bytes that a hand-off carries; it stays on '${this.#host.node.name}'. Hand over less, or raise 'maxStateBytes'.`,
      { details: { id: this.#child.id } },
    );
  }

  async #send(): Promise<void> {
    const { id, entry, process } = this.#child;
    const { program } = process;
    this.#sent = true;
    this.#moves = this.#host.registry.ownClaim(id)?.[2] ?? 0;
    const handed: Handed = {
      token: this.#token,
      id,
      to: this.#target.incarnation,
      stateful: program.handOff !== undefined && program.resume !== undefined,
      state: this.#handed,
      version: program.version,
      epoch: entry.epoch,
      claim: this.#claimAfter(1),
    };
    try {
      this.#step({ type: 'runs-there', pid: await this.#host.adopt(this.#target, this.#child, handed) });
    } catch (error) {
      this.failure = error as Error;
      this.#step({ type: isFoundationError(error) && !maybeDone.includes(error.code) ? 'refused' : 'unknown' });
    }
  }

  async #ask(): Promise<void> {
    try {
      const answer = await this.#host.whereabouts(this.#target, this.#token);
      if (answer.state === 'running') this.#step({ type: 'runs-there', pid: answer.pid });
      else this.#step({ type: answer.state === 'never' ? 'refused' : 'still-starting' });
    } catch {
      this.#step({ type: 'ask-failed' });
    }
  }

  #resume(): void {
    const { node } = this.#host;
    node.log.info(
      { child: this.#child.id, to: this.#target.name, why: this.failure?.message ?? 'the target was lost' },
      `the hand-off of '${this.#child.id}' came to nothing; it goes on here`,
    );
    node.telemetry.emit(
      'distributed.move-failed',
      { duration: this.#duration() },
      { id: this.#child.id, to: this.#target.name },
    );
    this.#host.resumed(this.#child, this.#claimAfter(this.#sent ? 2 : 0), this.#released);
  }

  /** The child's claim after so many moves more. If the target has it after all, the one who went on here outdoes it. */
  #claimAfter(moves: number): ClaimInit {
    const own = this.#host.registry.ownClaim(this.#child.id);
    if (own === undefined) return { moves };
    const [, registeredAt, before, policy, valueVersion, value] = own;
    return { registeredAt, moves: before + moves, onConflict: policy === 0 ? 'exit' : 'unname', valueVersion, value };
  }

  #complete(pid: Pid): void {
    const { node, forwardWindow } = this.#host;
    const { process, id } = this.#child;
    this.#host.moved(this.#child, pid);
    if (process.alive) {
      const stopForwarding = process.system.handOver(process, pid);
      node.clock.setTimeout(stopForwarding, forwardWindow, { unref: true });
    }
    node.telemetry.emit(
      'distributed.move',
      { duration: this.#duration(), bytes: this.#bytes },
      { id, from: replicaId(node.name, node.incarnation), to: pid.toString() },
    );
  }

  #duration(): number {
    return this.#host.node.clock.now() - this.#startedAt;
  }
}

/** After these the target may have the child all the same. */
const maybeDone: readonly string[] = ['unknown-outcome', 'timeout', 'aborted', 'handler-failed', 'protocol'];
