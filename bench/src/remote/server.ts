/** The other process of a remote bench. */
import { openSide } from './link.js';

const side = await openSide(process.argv[2] ?? '');
process.send?.(await side.serve());
process.once('disconnect', () => process.exit());
