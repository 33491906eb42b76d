/** Names a thread of a process; thread 0 is the one that a process starts with. */
export function placeOf(processId: number, thread: number): string {
  return `process ${processId} thread ${thread}`;
}
