/**
 * Base of the page's custom elements. Children live in the light DOM, so one style sheet and one tab order cover the
 * page. build() runs once, when the element first enters the document; release() ends what it started.
 */
export abstract class View extends HTMLElement {
  private readonly releases: (() => void)[] = [];
  private built = false;

  protected abstract build(): void;

  connectedCallback(): void {
    if (this.built) return;
    this.built = true;
    this.build();
  }

  /** Keeps the function that ends a subscription until release(). */
  protected own(release: () => void): void {
    this.releases.push(release);
  }

  release(): void {
    for (const release of this.releases.splice(0)) release();
  }
}
