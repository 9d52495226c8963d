/** How a door is used. */
export namespace Door {
  export const READ: u32 = 0;
  export const WRITE: u32 = 1;
  /** Read, then written. */
  export const UPDATE: u32 = 2;
}
