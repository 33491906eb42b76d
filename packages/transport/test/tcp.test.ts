import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { tcp } from '../src/tcp/index.js';

transportSuite('tcp', { transport: () => tcp() });
