/** The other process of a remote bench. */
import { beAnApplication } from './application.js';
import { openSide } from './link.js';

beAnApplication();
const side = await openSide(process.argv[2] ?? '');
process.send?.(await side.serve());
process.once('disconnect', () => process.exit());
