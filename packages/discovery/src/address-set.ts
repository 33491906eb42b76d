import { type Address, formatAddress } from '@foundation-ts/core';

/** `addresses` without repetitions, in the order of their text: equal sets become equal arrays. */
export function addressSet(addresses: Iterable<Address>): readonly Address[] {
  const byText = new Map<string, Address>();
  for (const address of addresses) byText.set(formatAddress(address), address);
  return [...byText].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, address]) => address);
}

/** Whether two results of {@link addressSet} name the same addresses. */
export function sameAddressSet(left: readonly Address[], right: readonly Address[]): boolean {
  return (
    left.length === right.length &&
    left.every((address, index) => formatAddress(address) === formatAddress(right[index] as Address))
  );
}
