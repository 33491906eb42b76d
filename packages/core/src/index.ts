export { type Address, formatAddress, parseAddress } from './address.js';
export { type Clock, systemClock, type Timer } from './clock.js';
export {
  checkKeys,
  type ErrorCode,
  FoundationError,
  type FoundationErrorInit,
  invalidOption,
  isFoundationError,
} from './errors.js';
export { type ExitReason, formatReason, isOrderly, toExitReason } from './exit-reason.js';
export { type Log, type LogLevel, silentLog, stderrLog } from './log.js';
export { Pid } from './pid.js';
export { type Random, seededRandom, systemRandom } from './random.js';
export { Telemetry, type TelemetryEvent } from './telemetry.js';
