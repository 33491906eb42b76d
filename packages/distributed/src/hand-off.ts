import type { Pid } from '@foundation-ts/core';

/**
 * Where a hand-off stands, on the node that gives the child away. The child is sealed from the start of `capturing` until the end.
 *
 * - `sealing`: the current handler is being waited for
 * - `capturing`: the state is taken (or, without `handOff`, the child's `terminate` runs)
 * - `sending`: the target was asked to go on with it
 * - `asking`: the answer was lost; the target is asked what became of it
 * - `waiting`: the target is out of reach
 */
export interface HandOffState {
  readonly phase: 'sealing' | 'capturing' | 'sending' | 'asking' | 'waiting' | 'done';
  readonly outcome: HandOffOutcome | undefined;
  /** The child has died meanwhile, here. */
  readonly died: boolean;
}

/** How it ended: the child runs on the target; it went on here; it died before, or while, it was handed over. */
export type HandOffOutcome = 'moved' | 'resumed' | 'died';

export type HandOffEvent =
  | { readonly type: 'sealed' | 'died' | 'captured' | 'capture-failed' }
  /** The target has it: by its answer, by its answer to a question, or by its claim in the registry. */
  | { readonly type: 'runs-there'; readonly pid: Pid }
  /** The target certainly does not have it and never will. */
  | { readonly type: 'refused' | 'target-gone' }
  /** The call was lost or timed out. */
  | { readonly type: 'unknown' }
  | { readonly type: 'still-starting' | 'ask-failed' }
  | { readonly type: 'target-unreachable' | 'target-reachable' | 'margin-passed' };

export type HandOffEffect =
  | { readonly type: 'capture' | 'send' | 'ask' | 'ask-later' | 'start-margin' | 'resume' | 'report-death' }
  | { readonly type: 'complete'; readonly pid: Pid };

/** How every hand-off begins. */
export const handOffStart: HandOffState = { phase: 'sealing', outcome: undefined, died: false };

/**
 * One step of a hand-off; pure. The source lets go only when it knows that the target has the child, and goes on only when it knows that the target
 * hasn't (or the target has been out of reach for longer than the margin, which is when this side counts it as lost).
 */
export function handOffStep(
  state: HandOffState,
  event: HandOffEvent,
): { readonly state: HandOffState; readonly effects: readonly HandOffEffect[] } {
  if (state.phase === 'done') return { state, effects: [] };
  switch (event.type) {
    case 'sealed':
      return state.phase === 'sealing' ? go(state, 'capturing', { type: 'capture' }) : stay(state);
    case 'captured':
      return state.phase === 'capturing' ? go(state, 'sending', { type: 'send' }) : stay(state);
    case 'capture-failed':
      return state.phase === 'capturing' ? back(state) : stay(state);
    case 'died':
      return state.phase === 'sealing' || state.phase === 'capturing'
        ? back({ ...state, died: true })
        : stay({ ...state, died: true });
    case 'runs-there':
      return { state: { ...state, phase: 'done', outcome: 'moved' }, effects: [{ type: 'complete', pid: event.pid }] };
    case 'refused':
    case 'target-gone':
    case 'margin-passed':
      return isOut(state) ? back(state) : stay(state);
    case 'unknown':
      return state.phase === 'sending' ? go(state, 'asking', { type: 'ask' }) : stay(state);
    case 'still-starting':
    case 'ask-failed':
      return state.phase === 'asking' ? { state, effects: [{ type: 'ask-later' }] } : stay(state);
    case 'target-unreachable':
      return isOut(state) && state.phase !== 'waiting' ? go(state, 'waiting', { type: 'start-margin' }) : stay(state);
    case 'target-reachable':
      return state.phase === 'waiting' ? go(state, 'asking', { type: 'ask' }) : stay(state);
  }
}

function isOut(state: HandOffState): boolean {
  return state.phase === 'sending' || state.phase === 'asking' || state.phase === 'waiting';
}

function stay(state: HandOffState) {
  return { state, effects: [] };
}

function go(state: HandOffState, phase: HandOffState['phase'], effect: HandOffEffect) {
  return { state: { ...state, phase }, effects: [effect] };
}

function back(state: HandOffState): { readonly state: HandOffState; readonly effects: readonly HandOffEffect[] } {
  const outcome = state.died ? 'died' : 'resumed';
  return { state: { ...state, phase: 'done', outcome }, effects: [{ type: state.died ? 'report-death' : 'resume' }] };
}
