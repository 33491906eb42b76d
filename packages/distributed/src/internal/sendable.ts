import { FoundationError } from '@foundation-ts/core';

/**
 * Refuses what can't be replicated, before anything has changed here.
 * @throws FoundationError `not-sendable`
 */
export function checkSendable(value: unknown, what: string, depth = 0): void {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new FoundationError(
      'not-sendable',
      `${what} holds a ${typeof value}, which can't be sent to other nodes; use plain data.`,
    );
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (depth > 100)
    throw new FoundationError('not-sendable', `${what} is nested more than 100 deep, or refers to itself.`);
  if (Array.isArray(value)) {
    for (const item of value) checkSendable(item, what, depth + 1);
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      checkSendable(key, what, depth + 1);
      checkSendable(item, what, depth + 1);
    }
  } else if (value instanceof Set) {
    for (const item of value) checkSendable(item, what, depth + 1);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) checkSendable(item, what, depth + 1);
  }
}
