import { setMaxListeners } from 'node:events';
import { type Address, FoundationError, formatAddress } from '@foundation-ts/core';
import { DIALLER_PATIENCE } from '../defaults.js';
import { belongsTo, joiningProof } from './belonging.js';
import type { ChannelConnection } from './channel-connection.js';
import { FRAME_BOUND, FRAME_JOIN, FRAME_REFUSE } from './frames.js';
import { decodeRefusal, encodeJoining } from './introduction.js';
import { Link, type LinkOwner } from './link.js';
import type { Session } from './session.js';
import { handshakeInit, type Settings } from './settings.js';

/** Dials the connections of a channel that was opened at run time. `failed` is called at most once; the session hears of success. */
export function joinChannel(
  settings: Settings,
  session: Session,
  target: Address,
  connections: readonly ChannelConnection[],
  failed: (error: Error) => void,
): void {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  let over = false;
  const { sessionTimeout } = settings.limits;
  const fail = (error: Error): void => {
    if (over) return;
    over = true;
    timer.cancel();
    abort.abort();
    failed(error);
  };
  const lost = (): FoundationError =>
    new FoundationError('noconnection', `${formatAddress(target)} closed the connection before the channel stood.`);
  const timer = settings.clock.setTimeout(
    () => fail(new FoundationError('timeout', `the channel did not stand within ${sessionTimeout} ms`)),
    sessionTimeout,
    { unref: true },
  );
  for (const slot of connections) {
    const owner: LinkOwner = {
      proven: link => {
        if (!belongsTo(session, link))
          throw new FoundationError('conflict', 'Another node answers at the same address.');
        // Once all have asked the other side may use the channel. Until then it can be left.
        if (!session.channels.awaits(slot) || !session.channels.isCurrent(slot))
          return link.fail(changed(slot.channel));
        link.settle(owner);
        const { channel, index } = slot;
        const proof = joiningProof(session, link.peer, channel, index);
        link.sendControl(FRAME_JOIN, encodeJoining({ id: Buffer.from(session.id, 'hex'), channel, index, proof }));
      },
      control: (link, type, body) => {
        if (type === FRAME_REFUSE) return fail(decodeRefusal(body));
        if (type !== FRAME_BOUND) throw new FoundationError('protocol', 'The peer answered a binding wrongly.');
        if (over || !session.open || !session.channels.awaits(slot)) return link.fail(lost());
        slot.bind(link);
        if (connections.every(each => each.bound)) {
          over = true;
          timer.cancel();
        }
        session.channels.joined(slot);
      },
      data: () => {
        throw new FoundationError('protocol', 'The peer sent messages before the channel stood.');
      },
      drained: () => {},
      closed: (_link, reason) => fail(reason ?? lost()),
    };
    settings.transport
      .dial(target, {
        timeout: sessionTimeout,
        signal: abort.signal,
        maxFrameBytes: settings.maxFrameBytes,
        open: connection =>
          new Link({
            connection,
            handshake: handshakeInit(settings, 'dialler'),
            clock: settings.clock,
            timeout: settings.limits.handshakeTimeout * DIALLER_PATIENCE,
            codec: settings.controlCodec,
            owner,
          }),
      })
      .catch(fail);
  }
}

function changed(channel: string): FoundationError {
  return new FoundationError('noconnection', `The channel '${channel}' was closed, or opened otherwise, meanwhile.`);
}
