import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerLink } from '../src/internal/peer-link.js';
import { stateSize } from '../src/internal/state-size.js';

describe('acknowledgements of pushes', () => {
  test('a member holds what it acknowledged, and no more', () => {
    const peer = new PeerLink('b', 1);
    peer.heardAck(0, 3);
    expect([1, 3, 4].map(mark => peer.holds(mark))).toEqual([true, true, false]);
    expect(peer.holdsAll(3)).toBe(true);
  });

  test('after a gap it holds what came after it, until an exchange has filled the gap', () => {
    const peer = new PeerLink('b', 1);
    peer.heardAck(5, 8);
    expect([5, 6, 8].map(mark => peer.holds(mark))).toEqual([false, true, true]);
    expect(peer.holdsAll(8)).toBe(false);
    peer.heardComplete(5);
    expect([1, 5, 8].map(mark => peer.holdsAll(mark))).toEqual([true, true, true]);
  });

  test('an exchange counts up to the mark that it was made at', () => {
    const peer = new PeerLink('b', 1);
    peer.heardComplete(4);
    expect([4, 5].map(mark => peer.holds(mark))).toEqual([true, false]);
  });

  test('a missing push is noticed by the next, once per gap', () => {
    const peer = new PeerLink('b', 1);
    expect(peer.receivedPush(0, 2)).toBe(true);
    peer.completed(2);
    expect(peer.receivedPush(4, 5)).toBe(false);
    expect(peer.got).toEqual([4, 5]);
    expect(peer.receivedPush(5, 6)).toBe(true);
    peer.completed(5);
    expect(peer.got).toEqual([0, 6]);
  });

  test('whatever is lost or repeated, what is acknowledged was received', () => {
    const push = fc.record({ lost: fc.boolean(), twice: fc.boolean(), exchange: fc.boolean() });
    fc.assert(
      fc.property(fc.array(push, { maxLength: 30 }), pushes => {
        const receiver = new PeerLink('a', 1);
        const sender = new PeerLink('b', 1);
        const received = new Set<number>();
        for (const [index, { lost, twice, exchange }] of pushes.entries()) {
          if (exchange) {
            for (let mark = 1; mark <= index; mark++) received.add(mark);
            receiver.completed(index);
            sender.heardComplete(index);
          }
          if (lost) continue;
          received.add(index + 1);
          receiver.receivedPush(index, index + 1);
          if (twice) receiver.receivedPush(index, index + 1);
          sender.heardAck(...receiver.got);
        }
        for (let mark = 1; mark <= pushes.length; mark++) {
          if (sender.holds(mark)) expect(received.has(mark)).toBe(true);
          if (sender.holdsAll(mark))
            for (let before = 1; before <= mark; before++) expect(received.has(before)).toBe(true);
        }
      }),
    );
  });
});

describe('the size of a state', () => {
  test('is about what it takes, and stops at the limit', () => {
    expect(stateSize('x'.repeat(1_000), 10_000)).toBe(1_002);
    expect(stateSize({ list: [1, 2, 3], bytes: new Uint8Array(500) }, 10_000)).toBeGreaterThan(500);
    expect(stateSize(new Map([['k', new Set(['v'.repeat(100)])]]), 10_000)).toBeGreaterThan(100);
    const endless: unknown[] = [];
    endless.push(endless, 'x'.repeat(50));
    expect(stateSize(endless, 1_000)).toBeLessThan(100);
    expect(stateSize(Array(1_000_000).fill(1), 100)).toBeGreaterThan(100);
  });
});
