const givenAway = new WeakSet<Uint8Array>();

/** Marks a frame, all of its own buffer, that nobody will read again once it is sent: a transport may transfer the buffer. */
export function giveAway<F extends Uint8Array>(frame: F): F {
  givenAway.add(frame);
  return frame;
}

export function isGivenAway(frame: Uint8Array): boolean {
  return givenAway.has(frame);
}
