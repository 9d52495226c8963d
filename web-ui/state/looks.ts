/** Looks that do not overlap: a call while one is under way causes exactly one more after it. */
export class Looks {
  private looking: Promise<void> | null = null;
  private again = false;

  constructor(private readonly lookOnce: () => Promise<void>) {}

  /** Resolves when a look that began after this call is done, and all that were asked for meanwhile. */
  look(): Promise<void> {
    if (this.looking) {
      this.again = true;
      return this.looking;
    }
    this.looking = this.untilSettled().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  private async untilSettled(): Promise<void> {
    do {
      this.again = false;
      await this.lookOnce();
    } while (this.again);
  }
}
