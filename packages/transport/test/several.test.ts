import { createServer } from 'node:net';
import { silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { createCodec, Endpoint, several, type Transport } from '@foundation-ts/transport';
import { MemoryNetwork, memory } from '@foundation-ts/transport/memory';
import { tcp } from '@foundation-ts/transport/tcp';
import { ws } from '@foundation-ts/transport/ws';
import { afterEach, describe, expect, test } from 'vitest';

transportSuite('several', { transport: () => several([{ transport: tcp() }, { transport: ws() }]) });
transportSuite('several, dialled by the second', {
  transport: () => several([{ transport: ws() }, { transport: tcp() }]),
  dialler: () => several([{ transport: tcp() }, { transport: ws() }]),
});

const endpoints: Endpoint[] = [];
afterEach(async () => {
  await Promise.all(endpoints.splice(0).map(endpoint => endpoint.close()));
});

function endpoint(name: string, transport: Transport, heard: unknown[] = []): Endpoint {
  const made = new Endpoint({
    self: { name, incarnation: 1, clusterId: 'c', metadata: null },
    transport,
    codec: createCodec(),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    telemetry: new Telemetry(name),
    onPeer: () => {},
    onPeerClosed: () => {},
    onMessage: (peer, _channel, message) => heard.push([peer.identity.name, message]),
  });
  endpoints.push(made);
  return made;
}

describe('several transports of one node', () => {
  test('listen on all, and each peer comes by its own', async () => {
    const heard: unknown[] = [];
    const both = endpoint('both', several([{ transport: tcp() }, { transport: ws() }]), heard);
    const own = await both.listen({ host: '127.0.0.1', port: 0 });
    expect(both.addresses.map(({ protocol }) => protocol)).toEqual(['tcp', 'ws']);
    expect(both.addresses[0]).toEqual(own);
    for (const [index, [name, transport]] of [
      ['plain', tcp()],
      ['web', ws()],
    ].entries() as Iterable<[number, [string, Transport]]>) {
      const peer = await endpoint(name, transport).dial(both.addresses[index] as never);
      expect(peer.identity.name).toBe('both');
      expect(peer.identity.address).toEqual(own);
      peer.send('data', name);
    }
    await expect
      .poll(() => heard)
      .toEqual([
        ['plain', 'plain'],
        ['web', 'web'],
      ]);
  });

  test('dial by what the address names, and say so where none fits', async () => {
    const web = endpoint('web', ws());
    const at = await web.listen({ host: '127.0.0.1', port: 0 });
    const both = endpoint('both', several([{ transport: tcp() }, { transport: ws() }]));
    expect((await both.dial(at)).identity.name).toBe('web');
    await expect(both.dial({ ...at, protocol: 'udp' })).rejects.toMatchObject({
      code: 'noconnection',
      message: expect.stringMatching(/no transport for 'udp', only tcp, ws/),
    });
  });

  test('one port that is taken closes the others again', async () => {
    const taken = createServer();
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const first = tcp();
    const listened: number[] = [];
    const counting: Transport = {
      protocol: 'tcp',
      dial: (to, options) => first.dial(to, options),
      listen: async options => {
        const listener = await first.listen(options);
        listened.push(listener.address.port);
        return listener;
      },
    };
    const both = endpoint('both', several([{ transport: counting }, { transport: ws(), port }]));
    await expect(both.listen({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject({ code: 'address-in-use' });
    const again = await endpoint('again', tcp()).listen({ host: '127.0.0.1', port: listened[0] as number });
    expect(again.port).toBe(listened[0]);
    await new Promise(resolve => taken.close(resolve));
  });

  test('are local only together, and certified only together', () => {
    const network = new MemoryNetwork({ clock: systemClock });
    const inside = memory({ network, host: 'a' });
    const certified = (protocol: string, names: string[]): Transport => ({
      ...tcp(),
      protocol,
      security: { identity: () => names, roles: () => ['worker'] },
    });
    expect(several([{ transport: inside }]).local).toBe(true);
    expect(several([{ transport: inside }, { transport: tcp() }]).local).toBeUndefined();
    expect(several([{ transport: certified('x', ['a']) }, { transport: tcp() }]).security).toBeUndefined();
    const both = several([{ transport: certified('x', ['a', 'b']) }, { transport: certified('y', ['b', 'c']) }]);
    expect(both.security?.identity()).toEqual(['b']);
    expect(both.security?.roles()).toEqual(['worker']);
  });

  test('of one protocol, or none, are refused', () => {
    expect(() => several([{ transport: tcp() }, { transport: tcp() }])).toThrow(/'transport' is 'tcp'; allowed: each/);
    expect(() => several([])).toThrow(/at least one transport/);
    expect(() => several([{ transport: tcp(), prot: 1 } as never])).toThrow(/did you mean 'port'/);
  });
});
