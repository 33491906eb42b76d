import { ActorRef, type ActorSystem, FoundationError, Pid } from '@foundation-ts/core';
import type { CodecExtension } from '@foundation-ts/transport';

/** The codec's extension numbers of this package; see `docs/wire.md`. */
const PID = 1;
const REF = 8;

/** How pids and refs cross: a ref becomes one of the receiving system. */
export function refExtensions(system: () => ActorSystem): CodecExtension[] {
  const pid: CodecExtension<Pid> = {
    type: PID,
    class: Pid,
    encode: value => [value.node, value.incarnation, value.id],
    decode: toPid,
  };
  const ref: CodecExtension<ActorRef> = {
    type: REF,
    class: ActorRef as unknown as CodecExtension<ActorRef>['class'],
    encode: value => {
      if (value.portable !== undefined) return [value.portable.scheme, value.portable.name];
      if (value.remoteName !== undefined) return ['on', value.remoteName.name, value.remoteName.node];
      const { node, incarnation, id } = value.pid;
      return [node, incarnation, id];
    },
    decode: plain => {
      if (!Array.isArray(plain)) throw malformed();
      if (typeof plain[1] === 'number') return system().ref(toPid(plain)) as unknown as ActorRef;
      const [scheme, name, node] = plain as unknown[];
      if (typeof scheme !== 'string' || typeof name !== 'string') throw malformed();
      if (scheme === 'on' && typeof node === 'string') return system().refOn(node, name) as unknown as ActorRef;
      const resolver = system().resolvers.get(scheme);
      if (resolver === undefined)
        throw new FoundationError('protocol', `This node can't resolve refs of the kind '${scheme}'.`);
      return system().refBy(resolver(name)) as unknown as ActorRef;
    },
  };
  return [pid, ref] as CodecExtension[];
}

function toPid(plain: unknown): Pid {
  if (!Array.isArray(plain)) throw malformed();
  const [node, incarnation, id] = plain as unknown[];
  if (typeof node !== 'string' || !Number.isSafeInteger(incarnation) || !Number.isSafeInteger(id)) throw malformed();
  return new Pid(node, incarnation as number, id as number);
}

function malformed(): FoundationError {
  return new FoundationError('protocol', 'A peer sent a malformed pid or ref.');
}
