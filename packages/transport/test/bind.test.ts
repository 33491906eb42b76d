import type { FoundationError } from '@foundation-ts/core';
import { describe, expect, test } from 'vitest';
import { checkBind } from '../src/index.js';

describe('listening without a secret', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', 'localhost', '::ffff:127.0.0.1'])('is allowed on %s', host => {
    expect(() => checkBind(host, false)).not.toThrow();
  });

  test.each(['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org', '1270.0.0.1', ''])(
    'is refused on %s',
    host => {
      expect(() => checkBind(host, false)).toThrow(
        expect.toSatisfy(error => (error as FoundationError).code === 'insecure'),
      );
      expect(() => checkBind(host, true)).not.toThrow();
      expect(() => checkBind(host, false, true)).not.toThrow();
    },
  );
});
