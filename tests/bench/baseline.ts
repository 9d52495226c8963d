/** The committed figures of earlier runs and the check against them. Every figure is better when smaller. */

/** What is kept of a program or of the boot; what a machine's speed would change is not. */
export interface Figures {
  /** Our CPU time in multiples of a peer's. */
  readonly qemu?: number;
  readonly v86?: number;
  readonly native?: number;
  /** Our wall time in multiples of QEMU's, of programs for disks and networks. */
  readonly wall?: number;
  /** Wall time by two processors in multiples of that by one. */
  readonly second?: number;
  /** Instructions that the guest executed, millions: shows work that grew. */
  readonly instructionsM?: number;
  /** Resident memory in multiples of QEMU's. */
  readonly memory?: number;
}

export interface Baseline {
  /** The allowed excess, as a fraction. */
  readonly tolerances: Readonly<Record<keyof Figures, number>>;
  readonly figures: Readonly<Record<string, Figures>>;
}

/** What got worse than the baseline allows, a sentence each. What either side lacks is not compared. */
export function regressions(measured: Readonly<Record<string, Figures>>, baseline: Baseline): string[] {
  return Object.entries(measured).flatMap(([key, figures]) =>
    (Object.keys(baseline.tolerances) as (keyof Figures)[]).flatMap((figure) => {
      const [now, before] = [figures[figure], baseline.figures[key]?.[figure]];
      if (now === undefined || before === undefined || now <= before * (1 + baseline.tolerances[figure])) return [];
      return [`${key}: ${figure} is ${now.toFixed(2)}, the baseline ${before.toFixed(2)}`];
    }),
  );
}

const rounded = (figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Math.round(value * 100) / 100]));

/** The baseline with what was measured in place of what it said; the rest stays. */
export function updated(baseline: Baseline, measured: Readonly<Record<string, Figures>>): Baseline {
  const fresh = Object.fromEntries(
    Object.entries(measured).map(([key, figures]) => [key, rounded({ ...baseline.figures[key], ...figures })]),
  );
  return { tolerances: baseline.tolerances, figures: { ...baseline.figures, ...fresh } };
}
