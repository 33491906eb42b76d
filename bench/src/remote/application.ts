/** Objects that a process of an application holds; with what the runtime holds, some 24 MB. */
const heldObjects = 250_000;

interface Held {
  readonly id: number;
  readonly name: string;
}

let held: readonly Held[] = [];

/**
 * Fills the heap as an application's is. V8 begins no marking while less than 8 MB of objects are old, and just above that begins one for
 * each 16 MB of binary data: a bare server would be measured below the one, a library above the other, and no application in either.
 */
export function beAnApplication(): void {
  held = Array.from({ length: heldObjects }, (_, id) => ({ id, name: `object ${id}` }));
  if (held.length !== heldObjects) throw new Error('nothing is held');
}
