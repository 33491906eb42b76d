/** The two lanes of the head-of-line benches. */
export type Lane = 'control' | 'data';
export const lanes: readonly Lane[] = ['control', 'data'];

/** Length of a ping. */
export const pingBytes = 64;
