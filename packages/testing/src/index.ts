export { SimulatedClock, settle } from './simulated-clock.js';
