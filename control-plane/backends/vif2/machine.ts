/**
 * One bypass, a ring between queues of two guests, as a pure state machine. The lender makes the ring in memory of its own,
 * the borrower maps it; we introduce them and take them apart again. Neither can keep us from letting the other go: only
 * the lender's memory waits for the borrower, so that it is not used again while it is mapped.
 *
 *   asked ──lent──▶ offered ──borrowed──▶ live
 *     │                │                   │   end, or one of them is gone or has had enough
 *     └────────────────┴───────────────────┴──▶ ending ──▶ over
 */

/** out: knows nothing of it (any more). in: uses it or is about to. Then it is asked to stop sending, and to let go. */
export type Side = "out" | "in" | "disabling" | "disabled" | "detaching";

export interface BypassState {
  readonly phase: "asked" | "offered" | "live" | "ending" | "over";
  readonly lender: Side;
  readonly borrower: Side;
}

type Who = "lender" | "borrower";

export type BypassEvent =
  | { readonly kind: "lent" }
  | { readonly kind: "refused" }
  | { readonly kind: "borrowed" }
  | { readonly kind: "disabled"; readonly who: Who }
  | { readonly kind: "detached"; readonly who: Who }
  | { readonly kind: "gone"; readonly who: Who }
  | { readonly kind: "end" };

export type BypassEffect =
  | { readonly kind: "offer" }
  | { readonly kind: "live" }
  | { readonly kind: "disable"; readonly who: Who }
  | { readonly kind: "detach"; readonly who: Who }
  | { readonly kind: "over" };

type Step = [BypassState, readonly BypassEffect[]];

export const ASKED: BypassState = { phase: "asked", lender: "in", borrower: "out" };

/** Events that come at the wrong time change nothing: guests may say what they like. */
export function step(state: BypassState, event: BypassEvent): Step {
  switch (event.kind) {
    case "lent":
      return state.phase === "asked"
        ? [{ ...state, phase: "offered", borrower: "in" }, [{ kind: "offer" }]]
        : [state, []];
    case "refused":
      return state.phase === "asked" ? advance({ ...state, phase: "ending", lender: "out" }, []) : [state, []];
    case "borrowed":
      return state.phase === "offered" ? [{ ...state, phase: "live" }, [{ kind: "live" }]] : [state, []];
    case "disabled":
      return isTalking(state[event.who]) ? end({ ...state, [event.who]: "disabled" }) : [state, []];
    case "detached":
      return state[event.who] === "detaching" ? advance({ ...state, [event.who]: "out" }, []) : [state, []];
    case "gone":
      return state.phase === "over" ? [state, []] : end({ ...state, [event.who]: "out" });
    case "end":
      return state.phase === "over" ? [state, []] : end(state);
  }
}

const isTalking = (side: Side): boolean => side === "in" || side === "disabling";

function end(state: BypassState): Step {
  const effects: BypassEffect[] = [];
  let next: BypassState = { ...state, phase: "ending" };
  for (const who of ["lender", "borrower"] as const) {
    if (next[who] !== "in") continue;
    next = { ...next, [who]: "disabling" };
    effects.push({ kind: "disable", who });
  }
  return advance(next, effects);
}

function advance(state: BypassState, effects: readonly BypassEffect[]): Step {
  if (state.borrower === "disabled")
    return [{ ...state, borrower: "detaching" }, [...effects, { kind: "detach", who: "borrower" }]];
  if (state.lender === "disabled" && state.borrower === "out")
    return [{ ...state, lender: "detaching" }, [...effects, { kind: "detach", who: "lender" }]];
  if (state.lender === "out" && state.borrower === "out")
    return [{ ...state, phase: "over" }, [...effects, { kind: "over" }]];
  return [state, effects];
}
