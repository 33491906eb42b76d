/** Messages that wait in a subscription of code outside actors before the oldest is dropped. */
export const SUBSCRIPTION_QUEUE = 10_000;
