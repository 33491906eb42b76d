import { type Address, FoundationError, formatAddress } from '@foundation-ts/core';

/** The error of a connection that ended by itself. */
export function lost(remote: Address, error: Error): FoundationError {
  return new FoundationError(
    'noconnection',
    `The connection to ${formatAddress(remote)} was lost: ${error.message.trim()}.`,
    { cause: error },
  );
}
