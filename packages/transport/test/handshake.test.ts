import { readFileSync } from 'node:fs';
import { type FoundationError, isFoundationError } from '@foundation-ts/core';
import { describe, expect, test } from 'vitest';
import { lateRejection } from '../src/handshake.js';
import {
  beginHandshake,
  type HandshakeEffect,
  type HandshakeInit,
  type HandshakeRole,
  type HandshakeState,
  HELLO_BYTES,
  type ProvenPeer,
  stepHandshake,
} from '../src/index.js';

const secret = new Uint8Array(32).fill(7);
let nonces = 0;

function init(role: HandshakeRole, over: Partial<HandshakeInit> = {}): HandshakeInit {
  const nonce = new Uint8Array(32).fill(++nonces);
  return { role, clusterId: 'shop', name: role === 'dialler' ? 'a' : 'b', incarnation: 5, secret, nonce, ...over };
}

/** One side of a handshake: keeps its state and what it said. */
class Side {
  state: HandshakeState;
  readonly sent: Uint8Array[] = [];
  proven: ProvenPeer | undefined;
  error: FoundationError | undefined;

  constructor(begin: HandshakeInit) {
    const [state, effects] = beginHandshake(begin);
    this.state = state;
    this.#apply(effects);
  }

  hear(bytes: Uint8Array): void {
    this.#step({ type: 'frame', bytes });
  }

  timeout(): void {
    this.#step({ type: 'timeout' });
  }

  take(): Uint8Array[] {
    return this.sent.splice(0);
  }

  #step(input: Parameters<typeof stepHandshake>[1]): void {
    const [state, effects] = stepHandshake(this.state, input);
    this.state = state;
    this.#apply(effects);
  }

  #apply(effects: readonly HandshakeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send') this.sent.push(effect.frame);
      else if (effect.type === 'proven') this.proven = effect.peer;
      else this.error = effect.error;
    }
  }
}

function run(dialler: Side, listener: Side): void {
  for (let round = 0; round < 10; round++) {
    for (const frame of dialler.take()) listener.hear(frame);
    for (const frame of listener.take()) dialler.hear(frame);
  }
}

function pair(ofDialler: Partial<HandshakeInit> = {}, ofListener: Partial<HandshakeInit> = {}): [Side, Side] {
  const sides: [Side, Side] = [new Side(init('dialler', ofDialler)), new Side(init('listener', ofListener))];
  run(...sides);
  return sides;
}

describe('a handshake', () => {
  test('proves each side to the other, and gives both the same key', () => {
    const [dialler, listener] = pair();
    expect(dialler.proven).toMatchObject({ name: 'b', incarnation: 5, clusterId: 'shop', version: 1 });
    expect(listener.proven).toMatchObject({ name: 'a', incarnation: 5 });
    expect(dialler.proven?.key).toEqual(listener.proven?.key);
    expect(dialler.proven?.transcript).toEqual(listener.proven?.transcript);
    expect([dialler.error, listener.error]).toEqual([undefined, undefined]);
  });

  test('is, byte for byte, the example of docs/wire.md', () => {
    const document = readFileSync(new URL('../../../docs/wire.md', import.meta.url), 'utf8');
    const said = (after: string): string => {
      const line = document.slice(document.indexOf(after) + after.length).split('\n')[0] as string;
      return line.replaceAll(' ', '');
    };
    const spoken = { secret: new TextEncoder().encode('0123456789abcdef') };
    const dialler = new Side(init('dialler', { ...spoken, nonce: new Uint8Array(32).fill(1) }));
    const listener = new Side(init('listener', { ...spoken, nonce: new Uint8Array(32).fill(2) }));
    const [hello] = dialler.sent.map(frame => Buffer.from(frame));
    expect(hello?.length).toBe(305);
    expect(hello?.toString('hex')).toContain(said("The dialler's hello begins with\n\n```\n"));
    listener.hear(dialler.take()[0] as Uint8Array);
    dialler.hear(listener.take()[0] as Uint8Array);
    const [ofDialler] = dialler.take();
    expect(Buffer.from(ofDialler as Uint8Array).toString('hex')).toBe(said('\ndialler:  '));
    listener.hear(ofDialler as Uint8Array);
    expect(Buffer.from(listener.take()[0] as Uint8Array).toString('hex')).toBe(said('\nlistener: '));
  });

  test('gives another key each time', () => {
    expect(pair()[0].proven?.key).not.toEqual(pair()[0].proven?.key);
  });

  test('works without a secret on both sides', () => {
    const [dialler, listener] = pair({ secret: undefined }, { secret: undefined });
    expect([dialler.proven?.name, listener.proven?.name]).toEqual(['b', 'a']);
  });

  describe('with several secrets', () => {
    const [old, fresh] = [new Uint8Array(32).fill(8), new Uint8Array(32).fill(9)];

    test.each([
      ['one that has only the old one, and one that accepts the new one too', [old], [old, fresh]],
      ['one that accepts the new one, and one that proves it', [old, fresh], [fresh, old]],
      ['one that proves the new one, and one that has forgotten the old one', [fresh, old], [fresh]],
    ])('lets in %s, whoever dials', (_, left, right) => {
      for (const [ofDialler, ofListener] of [
        [left, right],
        [right, left],
      ]) {
        const [dialler, listener] = pair({ secret: ofDialler as Uint8Array[] }, { secret: ofListener as Uint8Array[] });
        expect([dialler.error, listener.error]).toEqual([undefined, undefined]);
        expect(dialler.proven?.key).toEqual(listener.proven?.key);
      }
    });

    test('refuses who proves another one, and a listener that answers with another one', () => {
      const stranger = [new Uint8Array(32).fill(1)];
      expect(pair({ secret: stranger }, { secret: [old, fresh] })[0].error?.code).toBe('auth-failed');
      const [dialler, listener] = pair({ secret: [old, stranger[0] as Uint8Array] }, { secret: stranger });
      expect([dialler.error?.code, listener.error?.code]).toEqual(['auth-failed', 'auth-failed']);
    });

    test('needs at least one', () => {
      expect(() => beginHandshake(init('dialler', { secret: [] }))).toThrow(/at least one secret/);
    });
  });

  describe('over TLS', () => {
    const security = (name: string, exporter = 1): Pick<HandshakeInit, 'security'> => ({
      security: {
        encrypted: true,
        exporter: new Uint8Array(32).fill(exporter),
        peerIdentity: [name],
        peerRoles: [`role of ${name}`],
      },
    });

    test('binds the proof to the connection', () => {
      const [dialler, listener] = pair(security('b'), security('a'));
      expect([dialler.proven?.name, listener.proven?.name]).toEqual(['b', 'a']);
      expect(listener.proven?.certificate).toEqual({ names: ['a'], roles: ['role of a'] });
      expect(pair()[0].proven).toMatchObject({ name: 'b', certificate: undefined });
      for (const over of [{}, { secret: undefined }]) {
        const [left, right] = pair({ ...security('b', 1), ...over }, { ...security('a', 2), ...over });
        expect([left.error?.code, right.error?.code]).toEqual(['auth-failed', 'auth-failed']);
      }
    });

    test('works with a side that has no exporter value, because a proxy ends TLS', () => {
      expect(pair(security('b'))[0].proven?.name).toBe('b');
      expect(pair({}, security('a'))[1].proven?.name).toBe('a');
    });

    test('notices when someone on the way takes the exporter away', () => {
      const [dialler, listener] = [
        new Side(init('dialler', security('b', 1))),
        new Side(init('listener', security('a', 2))),
      ];
      const strip = (frames: Uint8Array[]): Uint8Array[] =>
        frames.map(frame => {
          if (frame.length !== HELLO_BYTES) return frame;
          const changed = frame.slice();
          changed[8] = 1;
          return changed;
        });
      for (let round = 0; round < 5; round++) {
        for (const frame of strip(dialler.take())) listener.hear(frame);
        for (const frame of strip(listener.take())) dialler.hear(frame);
      }
      expect([dialler.proven, listener.proven]).toEqual([undefined, undefined]);
      expect(listener.error?.code).toBe('auth-failed');
    });

    test('accepts no name that the certificate does not give, and tells the other side', () => {
      const [dialler, listener] = pair(security('b'), security('c'));
      expect(listener.error?.message).toMatch(/calls itself 'a', but its certificate is for 'c'/);
      expect(dialler.error?.message).toMatch(/the certificate of this node does not name 'a'/);
      expect([dialler.error?.code, listener.error?.code]).toEqual(['auth-failed', 'auth-failed']);
    });
  });

  test('takes incarnations up to the largest safe integer', () => {
    expect(pair({ incarnation: Number.MAX_SAFE_INTEGER })[1].proven?.incarnation).toBe(Number.MAX_SAFE_INTEGER);
  });

  test.each([
    [
      'different secrets',
      { secret: new Uint8Array(32).fill(8) },
      {},
      'auth-failed',
      /different secrets|another secret/,
    ],
    ['a dialler without a secret', { secret: undefined }, {}, 'auth-failed', /secret/],
    ['a listener without a secret', {}, { secret: undefined }, 'auth-failed', /secret/],
    ['another cluster', { clusterId: 'bank' }, {}, 'wrong-cluster', /cluster/],
  ] as const)('with %s fails on both sides alike', (_, ofDialler, ofListener, code, message) => {
    const [dialler, listener] = pair(ofDialler, ofListener);
    for (const side of [dialler, listener]) {
      expect(side.proven).toBeUndefined();
      expect(side.error?.code).toBe(code);
      expect(side.error?.message).toMatch(message);
    }
  });

  test('never mentions a secret in an error', () => {
    const text = 'correct-horse-battery-staple';
    const [dialler, listener] = pair({ secret: Buffer.from(text) }, {});
    for (const { error } of [dialler, listener]) {
      expect(JSON.stringify([error?.message, error?.details, error?.stack])).not.toContain(text);
    }
  });

  test('with versions that do not overlap fails on both sides as incompatible', () => {
    const dialler = new Side(init('dialler'));
    const listener = new Side(init('listener'));
    const [hello] = dialler.take() as [Uint8Array];
    hello[5] = 9;
    hello[6] = 12;
    listener.hear(hello);
    for (const frame of listener.take()) dialler.hear(frame);
    expect([dialler.error?.code, listener.error?.code]).toEqual(['incompatible', 'incompatible']);
  });

  test('whose version was changed on the way fails, though both versions are spoken', () => {
    const dialler = new Side(init('dialler'));
    const listener = new Side(init('listener'));
    const [hello] = dialler.take() as [Uint8Array];
    hello[6] = 3;
    listener.hear(hello);
    run(dialler, listener);
    expect(listener.error?.code).toBe('auth-failed');
    expect(dialler.proven).toBeUndefined();
  });

  test.each(['name', 'incarnation', 'nonce'])('whose %s was changed on the way fails', field => {
    const dialler = new Side(init('dialler'));
    const listener = new Side(init('listener'));
    const [hello] = dialler.take() as [Uint8Array];
    const at = { name: HELLO_BYTES - 127, incarnation: 48, nonce: 9 }[field] as number;
    hello[at] = (hello[at] as number) ^ 1;
    listener.hear(hello);
    run(dialler, listener);
    expect([listener.proven, dialler.proven]).toEqual([undefined, undefined]);
    expect(listener.error?.code).toBe('auth-failed');
  });

  test('does not accept a replayed proof', () => {
    const heard: Uint8Array[] = [];
    const dialler = new Side(init('dialler'));
    const listener = new Side(init('listener'));
    for (let round = 0; round < 3; round++) {
      for (const frame of dialler.take()) {
        heard.push(frame);
        listener.hear(frame);
      }
      for (const frame of listener.take()) dialler.hear(frame);
    }
    expect(listener.proven).toBeDefined();
    const again = new Side(init('listener'));
    for (const frame of heard) again.hear(frame);
    expect(again.proven).toBeUndefined();
    expect(again.error?.code).toBe('auth-failed');
  });

  test('does not accept its own words back', () => {
    const dialler = new Side(init('dialler'));
    dialler.hear(dialler.take()[0] as Uint8Array);
    expect(dialler.error?.code).toBe('protocol');

    // The attacker answers as a listener, with the dialler's own nonce, and reflects the proof.
    const victim = new Side(init('dialler'));
    const hello = Uint8Array.from(victim.take()[0] as Uint8Array);
    hello[7] = 2;
    victim.hear(hello);
    expect(victim.error?.code).toBe('protocol');
    hello[9] = (hello[9] as number) ^ 1;
    const second = new Side(init('dialler'));
    second.take();
    second.hear(hello);
    second.hear(second.take()[0] as Uint8Array);
    expect(second.proven).toBeUndefined();
    expect(second.error?.code).toBe('auth-failed');
  });

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a hello that is too short', new Uint8Array(HELLO_BYTES - 1)],
    ['a hello that is too long', new Uint8Array(HELLO_BYTES + 1)],
    ['a hello of zeros', new Uint8Array(HELLO_BYTES)],
  ])('refuses %s', (_, bytes) => {
    const listener = new Side(init('listener'));
    listener.hear(bytes);
    expect(listener.error?.code).toBe('protocol');
  });

  test('refuses an incarnation of 2^53, a name that is too long, an empty one and one that is not UTF-8', () => {
    const change = (edit: (hello: Uint8Array) => void): string | undefined => {
      const [hello] = new Side(init('dialler')).take() as [Uint8Array];
      edit(hello);
      const listener = new Side(init('listener'));
      listener.hear(hello);
      return listener.error?.code;
    };
    const nameAt = HELLO_BYTES - 128;
    expect(change(hello => hello.set([0, 0x20, 0, 0, 0, 0, 0, 0], 41))).toBe('protocol');
    expect(change(hello => hello.fill(255, nameAt, nameAt + 1))).toBe('protocol');
    expect(change(hello => hello.fill(0, nameAt, nameAt + 1))).toBe('protocol');
    expect(change(hello => hello.fill(0xff, nameAt + 1, nameAt + 2))).toBe('protocol');
  });

  test('times out on either side', () => {
    const listener = new Side(init('listener'));
    listener.timeout();
    expect(listener.error?.code).toBe('timeout');
    const dialler = new Side(init('dialler'));
    dialler.timeout();
    expect(dialler.error?.code).toBe('timeout');
  });

  test('may be refused after the listener held it for over: its proof crossed the time-out of the dialler', () => {
    const dialler = new Side(init('dialler'));
    const listener = new Side(init('listener'));
    listener.hear(dialler.take()[0] as Uint8Array);
    dialler.hear(listener.take()[0] as Uint8Array);
    listener.hear(dialler.take()[0] as Uint8Array);
    expect(listener.proven?.name).toBe('a');
    dialler.timeout();
    const [reject] = dialler.take();
    expect(lateRejection(listener.state, reject as Uint8Array)).toMatchObject({ code: 'timeout' });
    expect(lateRejection(dialler.state, reject as Uint8Array)).toBeUndefined();
    expect(lateRejection(listener.state, listener.take()[0] as Uint8Array)).toBeUndefined();
  });

  test('takes no input after its end', () => {
    const [dialler] = pair();
    dialler.hear(new Uint8Array(100));
    dialler.timeout();
    expect(dialler.error).toBeUndefined();
  });

  test('refuses names and incarnations that do not fit, before anything is sent', () => {
    for (const wrong of [{ name: 'x'.repeat(128) }, { clusterId: '' }, { incarnation: 2 ** 53 }, { incarnation: -1 }]) {
      expect(() => beginHandshake(init('dialler', wrong))).toThrow(
        expect.toSatisfy(error => isFoundationError(error, 'invalid-option')),
      );
    }
  });
});
