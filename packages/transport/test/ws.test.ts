import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { ws } from '../src/ws/index.js';

transportSuite('ws', { transport: () => ws() });
