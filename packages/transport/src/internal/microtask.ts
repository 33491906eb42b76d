const settled = Promise.resolve();

/**
 * Runs `run` behind what runs now, as `queueMicrotask` of Node does at several times the cost: it makes an object for each call, and code that has it
 * inlined is thrown away at every full garbage collection at which no such object lives.
 */
export function microtask(run: () => void): void {
  void settled.then(run);
}
