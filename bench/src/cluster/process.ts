/** One process of a crowd: loads its side, says so, and forms with the others at the word. */
import { once } from 'node:events';
import type { Place } from './crowd.js';

const place = JSON.parse(process.argv[2] ?? '') as Place;
const { form } = place.side === 'foundation' ? await import('./foundation.js') : await import('./sockets.js');
process.once('disconnect', () => process.exit());
process.send?.('loaded');
await once(process, 'message');
await form(place);
process.send?.('formed');
