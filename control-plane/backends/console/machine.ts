/**
 * Flow control of one console as a pure state machine: how many bytes are on their way to readers, and whether more may
 * be taken from the guest. A slow reader thereby slows the guest down, as a real serial line does, and loses nothing.
 */

export interface FlowState {
  /**
   * open: bytes are taken as they come. stalled: a reader is too far behind, nothing is taken until it has caught up.
   * broken: the guest corrupted the ring, nothing is ever taken again. closed: the domain is gone.
   */
  readonly phase: "open" | "stalled" | "broken" | "closed";
  /** Bytes sent to the slowest reader and not acknowledged yet. */
  readonly inFlight: number;
}

export type FlowEvent =
  | { readonly kind: "in-flight"; readonly bytes: number }
  | { readonly kind: "broken" }
  | { readonly kind: "closed" };

export type FlowEffect = "resume" | "report-broken";

export const HIGH_WATER = 512 * 1024;
export const LOW_WATER = 128 * 1024;

export const INITIAL_FLOW: FlowState = { phase: "open", inFlight: 0 };

export function step(state: FlowState, event: FlowEvent): [FlowState, readonly FlowEffect[]] {
  if (state.phase === "closed") return [state, []];
  switch (event.kind) {
    case "closed":
      return [{ phase: "closed", inFlight: 0 }, []];
    case "broken":
      return state.phase === "broken" ? [state, []] : [{ ...state, phase: "broken" }, ["report-broken"]];
    case "in-flight":
      return stepInFlight(state, event.bytes);
  }
}

function stepInFlight(state: FlowState, inFlight: number): [FlowState, readonly FlowEffect[]] {
  if (state.phase === "open" && inFlight >= HIGH_WATER) return [{ phase: "stalled", inFlight }, []];
  if (state.phase === "stalled" && inFlight <= LOW_WATER) return [{ phase: "open", inFlight }, ["resume"]];
  return [{ ...state, inFlight }, []];
}
