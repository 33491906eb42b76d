import { type Clock, systemClock } from '@foundation-ts/core';
import { expectTypeOf, test } from 'vitest';

test('packages reach the type tests with their types', () => {
  expectTypeOf(systemClock).toEqualTypeOf<Clock>();
  expectTypeOf(systemClock.now()).toEqualTypeOf<number>();
  // @ts-expect-error a mistake is one here too, so packages are not `any`
  systemClock.now('soon');
});
