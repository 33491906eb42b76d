import {
  type ActorSystem,
  type AnyDefinition,
  type EarlyExit,
  type ExitReason,
  FoundationError,
  type MonitorRef,
  PendingCall,
  Pid,
  type Process,
  type RemoteGateway,
  type RemoteName,
  type Sender,
  type SendOptions,
  type SpawnOptions,
  type Start,
} from '@foundation-ts/core';
import type { LostOutcome, Peer, PeerIdentity, SendResult } from '@foundation-ts/transport';
import { SPAWN_TIMEOUT_MS } from './defaults.js';
import type { Definitions } from './definitions.js';
import type { Gate } from './gate.js';
import { CallTable } from './internal/call-table.js';
import { type FenceMark, HeldSignals } from './internal/held-signals.js';
import { RemoteAnswer } from './internal/remote-answer.js';
import {
  dropped,
  notConnected,
  notWritten,
  ownActor,
  queueFull,
  rerooted,
  signalNotSent,
  toError,
  withoutPayload,
} from './internal/routing-errors.js';
import { Trails } from './internal/trails.js';
import { CONTROL, DATA, numberOf, targetOf, textOf, wire } from './wire.js';

/** Carries messages and signals between the actors of this node and those of its peers. */
export class Router implements RemoteGateway {
  readonly #system: ActorSystem;
  readonly #definitions: Definitions;
  readonly #peerOf: (node: string) => Peer | undefined;
  readonly #calls = new Map<Peer, CallTable>();
  readonly #trails = new Trails();
  readonly #held = new Map<Peer, HeldSignals>();
  #nextFence = 1;
  #nextCall = 1;
  /** The supervisors at the root of the node's own actors, and that of the user's trees. */
  readonly #branches = new Set<number>();
  #userBranch = 0;
  /** Where there are permissions. */
  readonly #gate: Gate | undefined;
  /** Peers of which the log has been told that they refuse exit signals. */
  readonly #refusing = new WeakSet<Peer>();

  constructor(
    system: ActorSystem,
    definitions: Definitions,
    peerOf: (node: string) => Peer | undefined,
    gate: Gate | undefined,
  ) {
    this.#system = system;
    this.#definitions = definitions;
    this.#peerOf = peerOf;
    this.#gate = gate;
  }

  /** Peers don't command the node's own supervisors, and end nothing that runs below them, but for what is below that of the user's trees. */
  guard(branches: readonly Pid[], userBranch: Pid): void {
    for (const { id } of [...branches, userBranch]) this.#branches.add(id);
    this.#userBranch = userBranch.id;
  }

  // --- out ------------------------------------------------------------------------------------------------------

  cast(
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    by: Sender | undefined,
  ): void {
    const peer = this.#peerFor(to);
    const key = to instanceof Pid ? to.id : to.name;
    const result =
      peer === undefined
        ? 'closed'
        : send(peer, options?.channel ?? DATA, [wire.cast, key, op, payload], options?.partition ?? key, op);
    // What a channel drops by its policy is counted there, and nobody's business here.
    if (result === 'sent' || result === 'dropped') {
      if (by !== undefined) this.#trails.sent(by, peer as Peer, isOrdinary(to, options));
      return;
    }
    this.#system.deadLetters.add({
      to: String(to),
      op,
      payload,
      reason: result === 'full' ? 'not-delivered' : 'noconnection',
    });
  }

  call(
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by: Sender | undefined,
  ): void {
    this.#ask(wire.call, to, op, payload, options, call, by);
  }

  offer(
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by: Sender | undefined,
  ): void {
    this.#ask(wire.offer, to, op, payload, options, call, by);
  }

  #ask(
    kind: number,
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by: Sender | undefined,
  ): void {
    const peer = this.#peerFor(to);
    if (peer === undefined) {
      call.fail(notConnected(op, to));
      return;
    }
    const id = this.#nextCall++;
    const key = to instanceof Pid ? to.id : to.name;
    const { timeout } = call;
    const message = [kind, id, key, op, payload, timeout === Number.POSITIVE_INFINITY ? -1 : Math.ceil(timeout)];
    const onDropped = (): void => call.fail(dropped(op, to));
    const result = send(peer, options?.channel ?? DATA, message, options?.partition ?? key, op, onDropped);
    if (by !== undefined) this.#trails.sent(by, peer, isOrdinary(to, options));
    this.#await(peer, id, call, result, op, to);
  }

  #await(peer: Peer, id: number, call: PendingCall, result: SendResult, op: string, to: { toString(): string }): void {
    if (result === 'closed') call.fail(notConnected(op, to));
    else if (result === 'full') call.fail(queueFull(op, to));
    else if (result === 'dropped') call.fail(dropped(op, to));
    else {
      const calls = this.#callsOf(peer);
      calls.add(id, call);
      call.keptBy(calls, id);
    }
  }

  #callsOf(peer: Peer): CallTable {
    let calls = this.#calls.get(peer);
    if (calls === undefined) {
      calls = new CallTable();
      this.#calls.set(peer, calls);
    }
    return calls;
  }

  async spawn(on: string, start: Start<AnyDefinition>, options: SpawnOptions, _parent: Pid | undefined): Promise<Pid> {
    const target = `a ${start.definition.name} on '${on}'`;
    const peer = this.#peerOf(on);
    if (peer === undefined) throw notConnected('spawn', `'${on}'`);
    const id = this.#nextCall++;
    const message = [wire.spawn, id, start.definition.name, start.argument, options.name ?? null];
    const result = send(peer, DATA, message, undefined, start.definition.name);
    const call = new PendingCall(this.#system, 'spawn', { toString: () => target });
    call.start(SPAWN_TIMEOUT_MS, undefined);
    this.#await(peer, id, call, result, 'spawn', target);
    const pid = await call.promise;
    if (pid instanceof Pid) return pid;
    throw new FoundationError('protocol', `'${on}' answered a spawn with something that is no pid.`);
  }

  link(from: Pid, to: Pid): void {
    if (this.#signal(to, [wire.link, from.id, to.id])) return;
    queueMicrotask(() => this.#system.receiveExit(to, from, 'noconnection', true));
  }

  unlink(from: Pid, to: Pid): void {
    this.#signal(to, [wire.unlink, from.id, to.id]);
  }

  /**
   * One of the two acts, or the second on an actor that has ended: who does not trap exits ends at the first. Where that has no room, the second alone
   * is sent.
   */
  exitEarly(from: Pid, to: Pid, reason: ExitReason, { viaLink, linked, monitors }: EarlyExit): void {
    this.#sendSignal(to, [wire.exitEarly, from.id, to.id, reason, viaLink, linked, monitors], CONTROL);
  }

  exit(from: Pid, to: Pid, reason: ExitReason, viaLink: boolean, by?: Sender): void {
    this.#signal(to, [wire.exit, from.id, to.id, reason, viaLink, ...this.#fence(to, by)]);
  }

  monitor(from: Pid, to: Pid, monitor: MonitorRef): void {
    if (this.#signal(to, [wire.monitor, from.id, to.id, monitor])) return;
    queueMicrotask(() => this.#system.receiveDown(to, monitor, 'noconnection'));
  }

  demonitor(from: Pid, to: Pid, monitor: MonitorRef): void {
    this.#signal(to, [wire.demonitor, from.id, to.id, monitor]);
  }

  down(from: Pid, to: Pid, monitor: MonitorRef, reason: ExitReason, by: Sender | undefined): void {
    this.#signal(to, [wire.down, from.id, to.id, monitor, reason, ...this.#fence(to, by)]);
  }

  /** Sends a fence behind what `by` has sent to that node otherwise than signals travel. @returns its mark, for the signal */
  #fence(to: Pid, by: Sender | undefined): number[] {
    const peer = this.#peerFor(to);
    if (peer === undefined || by === undefined || by.trail === 0) return [];
    const number = this.#nextFence++;
    const copies = peer.fence(this.#trails.channels(by.trail), [wire.fence, peer.tag, number]);
    if (copies !== undefined) return copies === 0 ? [] : [peer.tag, number, copies];
    void peer.close(signalNotSent(to.node));
    return [];
  }

  /** Signals take the way of messages to the same actor, so that they keep their order with them. */
  #signal(to: Pid, message: unknown[]): boolean {
    const result = this.#sendSignal(to, message, DATA);
    if (result === 'full') void this.#peerFor(to)?.close(signalNotSent(to.node));
    return result === 'sent';
  }

  #sendSignal(to: Pid, message: unknown[], channel: string): SendResult {
    const peer = this.#peerFor(to);
    if (peer === undefined) return 'closed';
    try {
      return peer.send(channel, message, to.id);
    } catch (error) {
      const bare = message.map(part => withoutPayload(part, error));
      return peer.send(channel, bare, to.id);
    }
  }

  /** The peer on which that target lives now; undefined when it is not connected, or another incarnation. */
  #peerFor(to: Pid | RemoteName): Peer | undefined {
    const peer = this.#peerOf(to.node);
    if (peer === undefined || !(to instanceof Pid)) return peer;
    return peer.identity.incarnation === to.incarnation ? peer : undefined;
  }

  // --- in -------------------------------------------------------------------------------------------------------

  /**
   * Takes a message of a peer's.
   * @returns false when it is none of the router's
   * @throws FoundationError `protocol`
   */
  receive(peer: Peer, channel: string, message: readonly unknown[]): boolean {
    const system = this.#system;
    switch (message[0]) {
      case wire.cast: {
        const to = this.#target(message[1]);
        const op = textOf(message[2], 'operation');
        if (this.#gate?.message(peer, to, op, message[3]) === undefined)
          system.receive(to, op, message[3], undefined, undefined);
        return true;
      }
      case wire.call:
      case wire.offer: {
        const to = this.#target(message[2]);
        const op = textOf(message[3], 'operation');
        const answer = this.#answer(peer, channel, message);
        const refusal = this.#gate?.message(peer, to, op, message[4]);
        if (refusal !== undefined) answer.fail(refusal);
        else if (message[0] === wire.call) system.receive(to, op, message[4], answer, undefined);
        else system.receive(to, op, message[4], undefined, answer);
        return true;
      }
      case wire.reply:
        this.#calls.get(peer)?.get(numberOf(message[1], 'call number'))?.succeed(message[2]);
        return true;
      case wire.fail:
        this.#calls.get(peer)?.get(numberOf(message[1], 'call number'))?.fail(toError(message[2]));
        return true;
      case wire.spawn:
        void this.#spawnFor(
          peer,
          new RemoteAnswer(system, peer, DATA, numberOf(message[1], 'call number'), -1),
          message,
        );
        return true;
      case wire.refused:
        this.#refused(peer, message);
        return true;
      case wire.fence:
        if (message[1] === peer.tag) this.#heldOf(peer).arrived(numberOf(message[2], 'fence'));
        return true;
      default:
        return this.#receiveSignal(peer, message);
    }
  }

  #receiveSignal(peer: Peer, message: readonly unknown[]): boolean {
    const system = this.#system;
    const kind = message[0] as number;
    if (!Number.isInteger(kind) || kind < wire.link || kind > wire.exitEarly) return false;
    const from = new Pid(peer.identity.name, peer.identity.incarnation, numberOf(message[1], 'actor number'));
    const to = new Pid(system.node, system.incarnation, numberOf(message[2], 'actor number'));
    if ((kind === wire.link || kind === wire.exit || kind === wire.exitEarly) && this.#isOwn(system.process(to)))
      throw ownActor(to);
    if (this.#gate !== undefined && !this.#mayEnd(this.#gate, peer, from, to, message)) {
      // Its fence comes all the same.
      if (kind === wire.exit) this.#inOrder(peer, message, 'normal', () => {});
      return true;
    }
    if (kind === wire.link) system.receiveLink(from, to);
    else if (kind === wire.unlink) system.receiveUnlink(from, to);
    else if (kind === wire.exit) {
      const reason = reasonOf(message[3]);
      const viaLink = message[4] === true;
      this.#inOrder(peer, message, reason, () => system.receiveExit(from, to, reason, viaLink));
    } else if (kind === wire.exitEarly) system.receiveExitEarly(from, to, reasonOf(message[3]), earlyExit(message));
    else if (kind === wire.monitor) system.receiveMonitor(from, to, numberOf(message[3], 'monitor'));
    else if (kind === wire.demonitor) system.receiveDemonitor(from, to, numberOf(message[3], 'monitor'));
    else {
      const monitor = numberOf(message[3], 'monitor');
      const reason = reasonOf(message[4]);
      this.#inOrder(peer, message, reason, () => system.receiveDown(from, monitor, reason));
    }
    return true;
  }

  /** Delivers a signal behind what its sender sent before it. */
  #inOrder(peer: Peer, message: readonly unknown[], reason: ExitReason, deliver: () => void): void {
    const mark = markOf(message, peer);
    const held = mark === undefined ? this.#held.get(peer) : this.#heldOf(peer);
    if (held === undefined) deliver();
    else held.signal(message[1] as number, mark, reason, deliver);
  }

  #heldOf(peer: Peer): HeldSignals {
    let held = this.#held.get(peer);
    if (held === undefined) {
      held = new HeldSignals();
      this.#held.set(peer, held);
    }
    return held;
  }

  #target(value: unknown): number | string {
    const to = targetOf(value);
    const process = typeof to === 'number' ? this.#system.processAt(to) : this.#system.names.whereis(to);
    if (process?.program.supervisor === true && this.#isOwn(process)) throw ownActor(process);
    return to;
  }

  /** Whether an actor is the node's own: one of its supervisors, or below one, but for what is below that of the user's trees. */
  #isOwn(process: Process | undefined): boolean {
    for (let at = process; at !== undefined; at = at.parent && this.#system.process(at.parent)) {
      if (at.pid.id === this.#userBranch) return at === process;
      if (this.#branches.has(at.pid.id)) return true;
    }
    return false;
  }

  #answer(peer: Peer, channel: string, message: readonly unknown[]): RemoteAnswer {
    return new RemoteAnswer(
      this.#system,
      peer,
      channel,
      numberOf(message[1], 'call number'),
      numberOf(message[5], 'deadline'),
      this.#trails,
    );
  }

  /** Who is not let is told: by its link, or in answer to its exit signal. */
  #mayEnd(gate: Gate, peer: Peer, from: Pid, to: Pid, message: readonly unknown[]): boolean {
    if (message[0] === wire.link) {
      const refusal = gate.end(peer, to, 'link');
      if (refusal !== undefined) this.exit(to, from, refusal, true);
      return refusal === undefined;
    }
    if (message[4] === true) return true;
    if (message[0] === wire.exitEarly) {
      const process = this.#system.process(to);
      return process !== undefined && gate.lets(peer, process);
    }
    if (message[0] !== wire.exit) return true;
    const refusal = gate.end(peer, to, 'exit');
    if (refusal !== undefined) peer.send(DATA, [wire.refused, to.id, refusal], from.id);
    return refusal === undefined;
  }

  #refused(peer: Peer, message: readonly unknown[]): void {
    const { name, incarnation } = peer.identity;
    const error = toError(message[2]);
    this.#system.receiveRefusal(new Pid(name, incarnation, numberOf(message[1], 'actor number')), error);
    if (this.#refusing.has(peer)) return;
    this.#refusing.add(peer);
    this.#system.log.warn({ node: this.#system.node, member: name }, error.message);
  }

  async #spawnFor(peer: Peer, answer: RemoteAnswer, message: readonly unknown[]): Promise<void> {
    try {
      const wanted = textOf(message[2], 'definition');
      const refusal = this.#gate?.spawn(peer, wanted);
      if (refusal !== undefined) throw refusal;
      const definition = this.#definitions.forRemote(wanted);
      const name = message[4] === null ? undefined : textOf(message[4], 'name');
      if (name?.startsWith('$') === true) {
        throw new FoundationError('invalid-operation', `The name '${name}' is kept for the node's own actors.`);
      }
      const process = this.#system.launch({ definition, argument: message[3] }, { name });
      this.#gate?.started(peer, process);
      await this.#system.started(process);
      answer.succeed(process.pid);
    } catch (error) {
      answer.fail(toError(error));
    }
  }

  /** Messages that were taken to be sent and were given up: calls hear what is certain of them, casts become dead letters. */
  undelivered(to: PeerIdentity, outcome: LostOutcome, messages: readonly unknown[]): void {
    for (const message of messages) {
      if (!Array.isArray(message)) continue;
      const [kind, first, second, third] = message as readonly unknown[];
      if (kind === wire.cast) {
        this.#system.deadLetters.add({
          to: typeof first === 'number' ? String(new Pid(to.name, to.incarnation, first)) : `${first}@${to.name}`,
          op: String(second),
          payload: third,
          reason: outcome,
        });
      } else if (outcome === 'not-delivered' && (kind === wire.call || kind === wire.offer || kind === wire.spawn)) {
        const op = kind === wire.spawn ? 'spawn' : String(third);
        this.#callOf(to, first)?.fail(notWritten(op, to.name));
      }
    }
  }

  #callOf(to: PeerIdentity, id: unknown): PendingCall | undefined {
    for (const [peer, calls] of this.#calls) {
      if (peer.identity !== to) continue;
      return calls.get(id as number);
    }
    return undefined;
  }

  /** The session with a peer is over: what waits for it will not be answered any more. */
  peerLost(peer: Peer): void {
    const held = this.#held.get(peer);
    this.#held.delete(peer);
    held?.release();
    const calls = this.#calls.get(peer);
    if (calls === undefined) return;
    this.#calls.delete(peer);
    for (const call of calls.values()) {
      call.fail(
        new FoundationError(
          'unknown-outcome',
          `Call '${call.op}' to ${call.target} was sent, but the connection to '${peer.identity.name}' was lost before the answer; it may have taken effect.`,
        ),
      );
    }
  }
}

/** As `Peer.send`; what can't be sent is named from the payload on, not from the message around it. */
function send(
  peer: Peer,
  channel: string,
  message: readonly unknown[],
  partition: string | number | undefined,
  what: string,
  onDropped?: () => void,
): SendResult {
  try {
    return peer.send(channel, message, partition, onDropped);
  } catch (error) {
    const depth = message[0] === wire.cast || message[0] === wire.spawn ? 3 : 4;
    throw rerooted(error, depth, `payload of '${what}': payload`);
  }
}

/** Whether a message travels as signals to the same actor do. */
function isOrdinary(to: Pid | RemoteName, options: SendOptions | undefined): boolean {
  return options?.partition === undefined && to instanceof Pid;
}

/** The fence that a signal is to arrive behind; undefined when there is none, or when it was of an earlier session, which is over. */
function markOf(message: readonly unknown[], peer: Peer): FenceMark | undefined {
  if (message[5] !== peer.tag) return undefined;
  return { fence: numberOf(message[6], 'fence'), copies: numberOf(message[7], 'fence') };
}

function earlyExit([, , , , viaLink, linked, monitors]: readonly unknown[]): EarlyExit {
  if (!Array.isArray(monitors)) throw new FoundationError('protocol', 'A peer sent a malformed exit signal.');
  return {
    viaLink: viaLink === true,
    linked: linked === true,
    monitors: monitors.map(monitor => numberOf(monitor, 'monitor')),
  };
}

function reasonOf(value: unknown): ExitReason {
  if (value instanceof Error || typeof value === 'string') return value as ExitReason;
  if (typeof value === 'object' && value !== null && 'shutdown' in value) return value as ExitReason;
  throw new FoundationError('protocol', 'A peer sent a malformed exit reason.');
}
