/** The other process: sends each ping back, and acknowledges each bulk message by its first bytes. */
import { openWire } from './wire.js';

/** Bytes at the head of a message that name its ping or stream. */
const tagBytes = 4;

const wire = await openWire(process.argv[2] ?? '');
const port = await wire.listen((lane, bytes, reply) => {
  // A copy: an acknowledgement must not hold its message's 8 MiB.
  reply(lane, lane === 'control' ? bytes : bytes.slice(0, tagBytes));
});
process.send?.(port);
process.once('disconnect', () => process.exit());
