/**
 * The order of work of one ring as a pure state machine: how many requests are under way, and when a barrier may have its
 * turn. A barrier waits until all before it is done, and what comes after it waits for the barrier.
 *
 *            barrier, others under way            the last one ended
 *   running ──────────────────────────▶ draining ──────────────────▶ barrier
 *      ▲ ─────────────────────────────────────────────────────────────▲ │
 *      └──────────────────────────────────────────────────────────────┘ │ barrier done
 */

export interface QueueState {
  /**
   * running: requests are taken as they come. draining: a barrier waits for those under way, none is taken. barrier: it is
   * under way. stopped: the front end is gone or broke the ring; what is under way is let end, and nobody is told.
   */
  readonly phase: "running" | "draining" | "barrier" | "stopped";
  /** Requests under way, a barrier included. */
  readonly inFlight: number;
  /** Nothing new is begun. */
  readonly paused: boolean;
}

export type QueueEvent =
  | { readonly kind: "began" }
  | { readonly kind: "ended" }
  | { readonly kind: "barrier" }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "stop" };

/** look: requests may be waiting in the ring. idle: nothing is under way, for who waits for that. */
export type QueueEffect = "run-barrier" | "look" | "idle";

export const INITIAL_QUEUE: QueueState = { phase: "running", inFlight: 0, paused: false };

/** Whether the next request may be taken out of the ring. */
export const mayTake = ({ phase, paused }: QueueState): boolean => phase === "running" && !paused;

export function step(state: QueueState, event: QueueEvent): [QueueState, readonly QueueEffect[]] {
  switch (event.kind) {
    case "began":
      return [{ ...state, inFlight: state.inFlight + 1 }, []];
    case "ended":
      return ended({ ...state, inFlight: state.inFlight - 1 });
    case "barrier":
      return barrier(state);
    case "pause":
      return [{ ...state, paused: true }, state.inFlight === 0 ? ["idle"] : []];
    case "resume":
      return [{ ...state, paused: false }, state.phase === "running" ? ["look"] : []];
    case "stop":
      return [{ ...state, phase: "stopped" }, state.inFlight === 0 ? ["idle"] : []];
  }
}

function barrier(state: QueueState): [QueueState, readonly QueueEffect[]] {
  if (state.inFlight > 0) return [{ ...state, phase: "draining" }, []];
  return [{ ...state, phase: "barrier", inFlight: 1 }, ["run-barrier"]];
}

function ended(state: QueueState): [QueueState, readonly QueueEffect[]] {
  // A barrier that waits has been taken out of the ring: also while paused it belongs to what is under way.
  if (state.phase === "draining" && state.inFlight === 0) {
    return [{ ...state, phase: "barrier", inFlight: 1 }, ["run-barrier"]];
  }
  const wasBarrier = state.phase === "barrier";
  const next: QueueState = wasBarrier ? { ...state, phase: "running" } : state;
  const look: QueueEffect[] = wasBarrier && !state.paused ? ["look"] : [];
  return [next, next.inFlight === 0 ? ["idle", ...look] : look];
}
