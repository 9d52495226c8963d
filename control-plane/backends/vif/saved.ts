/** What a network interface keeps across save and restore. */
export interface SavedVif {
  readonly version: number;
}
