// Threads know nothing of TypeScript until they are told.
import { register } from 'tsx/esm/api';

register();
await import('./ending-threads.ts');
