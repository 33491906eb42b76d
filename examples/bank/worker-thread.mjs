// A thread knows nothing of TypeScript until it is told.
import { register } from 'tsx/esm/api';

register();
await import('./worker-thread.ts');
